import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BoxGatewayAddress, GatewayUpstreamInfo, ModelApi } from "../sandbox/box-gateway.ts";

/** Where an agent is about to start, as things are named there. */
export interface AgentPlace {
  readonly home: string;
  /** The folder that its package is installed in; absent: it is looked for on the PATH. */
  readonly folder?: string;
  readonly gateway?: BoxGatewayAddress;
  /** As the profile names it. */
  readonly model?: string;
  /** False: its own questions whether it may do something are to be asked. */
  readonly mayDoAll: boolean;
}

/** How to start an agent. */
export interface AgentStart {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Its settings, relative to its home; written before each start. */
  readonly files?: readonly { readonly path: string; readonly text: string }[];
  /** Its way of asking for nothing, unless the profile says another. */
  readonly mode?: string;
  /** True where the model is chosen by what stands here, and not by the protocol. */
  readonly choosesModel?: true;
}

/** An agent of somebody else's that has a name here. */
export interface CodingAgent {
  readonly package: string;
  /** The version that the tests ran with. */
  readonly version: string;
  readonly license: string;
  /** What it can speak to models in; the first upstream of such a kind is its own. */
  readonly apis: readonly ModelApi[];
  /** What must be there once it is installed, relative to its `node_modules`. */
  programs(): readonly string[];
  /** The command where it is installed for everybody. */
  readonly onPath: readonly string[];
  start(place: AgentPlace, program: readonly string[]): AgentStart;
}

const json = (value: unknown): string => JSON.stringify(value, null, 2);

const opencode: CodingAgent = {
  package: "opencode-ai",
  version: "1.18.33",
  license: "MIT",
  apis: ["openai", "anthropic", "gemini"],
  programs: () => ["", "-baseline"].map((kind) => `opencode-${process.platform}-${process.arch}${kind}/bin/opencode`),
  onPath: ["opencode"],
  start: (place, program) => {
    const { gateway } = place;
    const chosen = chooseModel(place, opencode.apis);
    const provider = chosen === undefined ? undefined : `skein-${chosen.upstream.name}`;
    const config = {
      autoupdate: false,
      share: "disabled",
      ...(place.mayDoAll ? {} : { permission: { edit: "ask", bash: "ask", webfetch: "ask" } }),
      ...(gateway === undefined || chosen === undefined || provider === undefined
        ? {}
        : {
            model: `${provider}/${chosen.model}`,
            small_model: `${provider}/${chosen.model}`,
            enabled_providers: [provider],
            provider: { [provider]: opencodeProvider(gateway, chosen) },
          }),
    };
    return {
      command: [...program, "acp"],
      env: {
        OPENCODE_CONFIG_CONTENT: JSON.stringify(config),
        OPENCODE_DISABLE_AUTOUPDATE: "1",
        OPENCODE_DISABLE_MODELS_FETCH: "1",
        OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
        OPENCODE_DISABLE_SHARE: "1",
      },
      ...(chosen === undefined ? {} : { choosesModel: true }),
    };
  },
};

interface ChosenModel {
  readonly upstream: GatewayUpstreamInfo;
  readonly model: string;
}

function opencodeProvider(gateway: BoxGatewayAddress, { upstream, model }: ChosenModel): unknown {
  const { npm, path } = {
    openai: { npm: "@ai-sdk/openai-compatible", path: "" },
    anthropic: { npm: "@ai-sdk/anthropic", path: "/v1" },
    gemini: { npm: "@ai-sdk/google", path: "/v1beta" },
  }[upstream.api];
  return {
    npm,
    options: { baseURL: `${urlOf(gateway, upstream)}${path}`, apiKey: gateway.token },
    models: { [model]: { tool_call: true, limit: { context: 128_000, output: 16_000 } } },
  };
}

const claude: CodingAgent = {
  package: "@agentclientprotocol/claude-agent-acp",
  version: "0.101.0",
  license: "Apache-2.0, around a command line that is proprietary",
  apis: ["anthropic"],
  programs: () => ["@agentclientprotocol/claude-agent-acp/dist/index.js"],
  onPath: ["claude-agent-acp"],
  start: (place, program) => {
    const chosen = chooseModel(place, claude.apis);
    return {
      command: program,
      env: {
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
        DISABLE_AUTOUPDATER: "1",
        DISABLE_TELEMETRY: "1",
        IS_SANDBOX: "1",
        ...(chosen === undefined ? {} : { ANTHROPIC_MODEL: chosen.model, ANTHROPIC_SMALL_FAST_MODEL: chosen.model }),
      },
      ...(place.mayDoAll ? { mode: "bypassPermissions" } : {}),
      ...(chosen === undefined ? {} : { choosesModel: true }),
    };
  },
};

const codex: CodingAgent = {
  package: "@agentclientprotocol/codex-acp",
  version: "2.6.0",
  license: "Apache-2.0",
  apis: ["openai"],
  programs: () => ["@agentclientprotocol/codex-acp/dist/index.js"],
  onPath: ["codex-acp"],
  start: (place, program) => {
    const { gateway } = place;
    const chosen = chooseModel(place, codex.apis);
    const env = {
      CODEX_HOME: join(place.home, ".codex"),
      ...(place.mayDoAll ? { INITIAL_AGENT_MODE: "agent-full-access" } : {}),
    };
    // It does not start where its folder is missing; a configuration that is there is left as it is.
    if (gateway === undefined || chosen === undefined)
      return { command: program, env, files: [{ path: ".codex/.keep", text: "" }] };
    const text = [
      `model = ${JSON.stringify(chosen.model)}`,
      'model_provider = "skein"',
      "[model_providers.skein]",
      'name = "skein"',
      `base_url = ${JSON.stringify(urlOf(gateway, chosen.upstream))}`,
      'env_key = "OPENAI_API_KEY"',
      'wire_api = "responses"',
      "requires_openai_auth = false",
      "",
    ].join("\n");
    return { command: program, env, files: [{ path: ".codex/config.toml", text }], choosesModel: true };
  },
};

const qwen: CodingAgent = {
  package: "@qwen-code/qwen-code",
  version: "0.24.4",
  license: "Apache-2.0",
  apis: ["openai"],
  programs: () => ["@qwen-code/qwen-code/cli-entry.js"],
  onPath: ["qwen"],
  start: (place, program) => {
    const chosen = chooseModel(place, qwen.apis);
    return {
      command: [...program, "--acp"],
      env: chosen === undefined ? {} : { OPENAI_MODEL: chosen.model },
      files: [
        {
          path: ".qwen/settings.json",
          text: json({ security: { auth: { selectedType: "openai" } }, general: { disableAutoUpdate: true } }),
        },
      ],
      ...(place.mayDoAll ? { mode: "yolo" } : {}),
      ...(chosen === undefined ? {} : { choosesModel: true }),
    };
  },
};

/** By the name that a profile gives. */
export const CODING_AGENTS: Readonly<Record<string, CodingAgent>> = { opencode, claude, codex, qwen };

/** The start of a coding agent where it was installed, or else as everybody's program. */
export function startCodingAgent(agent: CodingAgent, place: AgentPlace): AgentStart {
  const installed = place.folder === undefined ? undefined : findProgram(agent, place.folder);
  // What npm installs is either a program of the machine or a file for Node.
  const command =
    installed === undefined ? agent.onPath : installed.endsWith(".js") ? [process.execPath, installed] : [installed];
  return agent.start(place, command);
}

/** The program of an agent that was installed into `folder`; undefined where it was not. */
export function findProgram(agent: CodingAgent, folder: string): string | undefined {
  return agent
    .programs()
    .map((program) => join(folder, "node_modules", program))
    .find((path) => existsSync(path));
}

/** The upstream and the model's own name: `upstream/model`, or the model alone for the first upstream that the agent can speak to. */
function chooseModel({ gateway, model }: AgentPlace, apis: readonly ModelApi[]): ChosenModel | undefined {
  if (gateway === undefined || model === undefined) return undefined;
  const fitting = gateway.upstreams.filter(({ api }) => apis.includes(api));
  const slash = model.indexOf("/");
  const named = fitting.find(({ name }) => name === model.slice(0, Math.max(slash, 0)));
  if (named !== undefined) return { upstream: named, model: model.slice(slash + 1) };
  const [first] = fitting;
  return first === undefined ? undefined : { upstream: first, model };
}

const urlOf = (gateway: BoxGatewayAddress, { name }: GatewayUpstreamInfo): string =>
  `http://127.0.0.1:${gateway.port}/${name}`;

/** An agent of this package. The path is relative to this file, because only the box knows where the package lies inside it. */
export function startOwnAgent(file: string): AgentStart {
  return { command: [process.execPath, fileURLToPath(new URL(file, import.meta.url))], env: {} };
}
