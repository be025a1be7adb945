import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import type { AgentProfile } from "../agent/agent.ts";
import type { McpServer } from "../agent/mcp-servers.ts";
import type { PermissionRules } from "../agent/permission-rules.ts";
import { parsePermissionRules } from "../agent/permission-rules.ts";
import { resolveAgent } from "../agent/presets.ts";
import { ValidationError } from "../errors.ts";
import { type ModelPrices, parseModelPrices } from "../event/model-price.ts";
import { createRedactor, type Redactor } from "../event/redaction/redactor.ts";
import type { KnownSecret } from "../event/redaction/secret-matcher.ts";
import type { SandboxName } from "../runtime/open-sandbox.ts";
import { SANDBOX_NAMES } from "../runtime/open-sandbox.ts";
import { parseMcpFile } from "./mcp-servers.ts";
import { parseWord } from "./parse-option.ts";

/** Which agent works, and what it may see and reach. */
export interface AgentOptions {
  readonly agent: string;
  readonly model?: string;
  /** A file with what models cost. */
  readonly prices?: string;
  /** A file with servers of the Model Context Protocol. */
  readonly mcp?: string;
  readonly network: "none" | "host";
  readonly env: readonly string[];
  /** Hosts beside the models that the box may reach. */
  readonly allowHost: readonly string[];
  readonly permissions: PermissionRules;
  readonly containment: "auto" | "require" | "none";
  /** Absent in loops that were started before there was a choice. */
  readonly sandbox?: SandboxName;
}

/** Adds the options of {@link AgentOptions}. */
export function addAgentOptions(command: Command): Command {
  return addEnvOption(command)
    .option(
      "--agent <agent>",
      'repair, opencode, claude, codex, qwen (`skein agents`), or a command that speaks ACP, such as "my-agent --acp"',
      "repair",
    )
    .option("--model <model>", "the model that the agent should use")
    .option(
      "--prices <file>",
      'what models cost, as JSON: {"gpt-5":{"inputUsd":1.25,"outputUsd":10}} for a million tokens',
    )
    .option(
      "--mcp <file>",
      'MCP servers for the agent, as JSON: {"mcpServers":{"name":{"command":…,"args":…}}} runs in the box, {"url":…,"headers":…} is reached through the gateway',
    )
    .option(
      "--allow-host <host>",
      "a host that the box may reach without a network: name, name:port or *.name (can be repeated)",
      collectHost,
      [],
    )
    .option(
      "--permissions <policy>",
      "when the agent asks whether it may: allow, deny, or ask (`skein answer`); by kind of tool: edit=allow,execute=ask,deny",
      parsePermissions,
      "allow",
    )
    .option("--network <network>", "none or host", parseWord(["none", "host"] as const), "none")
    .option(
      "--containment <wish>",
      "auto: where it is possible; require: refuse to run without; none: plain processes",
      parseWord(["auto", "require", "none"] as const),
      "auto",
    )
    .option(
      "--sandbox <sandbox>",
      "local: processes of this machine; podman: containers, whose memory can be forked (needs root); docker: containers of a Docker engine (DOCKER_HOST)",
      parseWord(SANDBOX_NAMES),
      "local",
    );
}

/** Adds `--env`, alone. */
export function addEnvOption(command: Command): Command {
  return command.option(
    "--env <name[=value]>",
    "a variable for the agent, with your own value or this one (can be repeated)",
    collect,
    [],
  );
}

/** `allow`, or `KIND=POLICY,…,POLICY`, where the last holds for all kinds that are not named. */
function parsePermissions(text: string): PermissionRules {
  const parts = text.split(",").map((part) => (part.includes("=") ? part : `otherwise=${part}`).split("="));
  try {
    return parsePermissionRules(parts.length === 1 && parts[0]?.[0] === "otherwise" ? text : Object.fromEntries(parts));
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

function collectHost(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}

function collect(text: string, before: readonly string[]): readonly string[] {
  if (!/^[A-Za-z_]\w*(=|$)/.test(text)) throw new InvalidArgumentError("It is NAME or NAME=value.");
  return [...before, text];
}

/**
 * The profile that the options name.
 *
 * @throws ValidationError `agent_unknown`, `invalid_option` before anything is made for it
 */
export function toProfile(options: AgentOptions, cwd: string, mcpServers: readonly McpServer[]): AgentProfile {
  // The name is for people and lists, so a long command is named by its program.
  const [program = options.agent] = options.agent.split(" ");
  const profile = {
    name: program.split("/").at(-1) || program,
    agent: options.agent,
    ...(options.permissions === "allow" ? {} : { permissions: options.permissions }),
    ...(options.model === undefined ? {} : { model: options.model }),
    ...(options.prices === undefined ? {} : { prices: readPrices(resolve(cwd, options.prices)) }),
    ...(mcpServers.length === 0 ? {} : { mcpServers }),
  };
  resolveAgent(profile);
  return profile;
}

function readPrices(file: string): ModelPrices {
  return parseModelPrices(readJsonFile("--prices", file), `--prices ${file}`);
}

/**
 * The MCP servers of the file that the options name.
 *
 * @throws ValidationError `invalid_option`
 */
export function readMcpServers(
  { mcp }: AgentOptions,
  cwd: string,
  env: Readonly<Record<string, string | undefined>>,
): readonly McpServer[] {
  if (mcp === undefined) return [];
  const file = resolve(cwd, mcp);
  return parseMcpFile(readJsonFile("--mcp", file), `--mcp ${file}`, env);
}

/** @throws ValidationError `invalid_option` for a file that is not there, or is no JSON */
function readJsonFile(option: string, file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new ValidationError("invalid_option", `${option} ${file} cannot be read: ${(error as Error).message}`);
  }
}

/**
 * The agent's variables. One that is only named takes its value from here.
 *
 * @throws ValidationError `invalid_option` for one that is not set here
 */
export function toAgentEnv(
  options: AgentOptions,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const result: Record<string, string> = {};
  for (const entry of options.env) {
    const equals = entry.indexOf("=");
    const name = equals < 0 ? entry : entry.slice(0, equals);
    const value = equals < 0 ? env[name] : entry.slice(equals + 1);
    if (value === undefined)
      throw new ValidationError(
        "invalid_option",
        `--env ${name}: there is no such variable here; set it, or write --env ${name}=value.`,
      );
    result[name] = value;
  }
  return result;
}

/** Takes out of the log what looks like a secret here, and what was given to the agent under a name that looks like one (L9). */
export function createRunRedactor(
  agentEnv: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string | undefined>>,
  secrets: readonly KnownSecret[] = [],
): Redactor {
  return createRedactor({ env: { ...env, ...agentEnv }, secrets });
}
