/**
 * An ACP agent that does what the lines of its prompt say, good and bad, so that whatever stands around an agent can be tested
 * without a model. It is the preset `scripted`. It speaks the protocol by hand, because it must also be able to break it.
 *
 * | line | effect |
 * |---|---|
 * | `say TEXT`, `think TEXT` | one chunk of text or reasoning |
 * | `chunks N` | N chunks of text, `1 ` to `N ` |
 * | `tool ID [STATUS]` | a tool call with a title, a patch and, unless STATUS is `open`, its end |
 * | `write PATH TEXT`, `read PATH` | a file of the workspace; what was read is said |
 * | `remember WORD`, `recall` | the conversation's memory, kept in the home folder; all words are said |
 * | `permission TITLE` | asks, and says the option that was chosen |
 * | `ask METHOD` | sends a request of that name and says the code of the answer |
 * | `cost USD`, `plan`, `unknown`, `meta WORD`, `stop REASON` | the update, or the field of the answer |
 * | `elsewhere SESSION TEXT` | a chunk of text of another session |
 * | `raw JSON` | an update of exactly this |
 * | `gate PATH` | waits until the file is there |
 * | `env NAME`, `pid` | says it |
 * | `call TEXT` | asks the model that `ANTHROPIC_BASE_URL` names, and says the status and the text of its answer |
 * | `mcp SERVER TOOL KEY=VALUE …` | calls a tool of an MCP server that the session was given, and says what it answered |
 * | `spawn PATH` | starts a process in a session of its own that outlives the agent, and writes its pid to the file |
 * | `garbage N` | N lines that are not the protocol |
 * | `wait` | until cancelled | `hang` | for ever, deaf to cancel | `die CODE` | at once, with a word on stderr |
 * | `late TEXT` | a chunk after the end of the turn | `fail TEXT` | answers with an error |
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { access, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { startProcess } from "../internal/spawn-process.ts";
import { callMcpTool, type GivenMcpServer } from "./scripted-mcp.ts";

type Json = Record<string, unknown>;

const stateFolder = join(process.env["HOME"] ?? ".", ".scripted-agent");
const cancelled = new Map<string, () => void>();
/** The MCP servers of each session. */
const mcpServers = new Map<string, readonly GivenMcpServer[]>();
const answers = new Map<string, (message: Json) => void>();
let requests = 0;

const send = (message: Json): void => void process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
const update = (sessionId: string, body: Json): void =>
  send({ method: "session/update", params: { sessionId, update: body } });
const chunk = (sessionId: string, text: string, kind = "agent_message_chunk"): void =>
  update(sessionId, { sessionUpdate: kind, content: { type: "text", text } });

function ask(method: string, params: Json): Promise<Json> {
  const id = `ask-${++requests}`;
  return new Promise((resolve) => {
    answers.set(id, resolve);
    send({ id, method, params });
  });
}

function memoryPath(sessionId: string): string {
  return join(stateFolder, `${sessionId}.json`);
}

function recall(sessionId: string): string[] | undefined {
  try {
    return JSON.parse(readFileSync(memoryPath(sessionId), "utf8")) as string[];
  } catch {
    return undefined;
  }
}

function keep(sessionId: string, words: readonly string[]): void {
  mkdirSync(stateFolder, { recursive: true });
  writeFileSync(memoryPath(sessionId), JSON.stringify(words));
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function callModel(text: string): Promise<string> {
  const { ANTHROPIC_BASE_URL = "", ANTHROPIC_API_KEY = "" } = process.env;
  const tools = [{ name: "Bash", input_schema: { properties: { command: { type: "string" } } } }];
  const response = await fetch(`${ANTHROPIC_BASE_URL}/v1/messages`, {
    method: "POST",
    headers: { "x-api-key": ANTHROPIC_API_KEY },
    body: JSON.stringify({ model: "scripted", messages: [{ role: "user", content: text }], tools }),
  });
  const body = (await response.json()) as { content?: readonly { text?: string }[]; error?: { code?: string } };
  return `${response.status} ${body.content?.[0]?.text ?? body.error?.code ?? ""}`;
}

/** Carries out the lines of one prompt and gives back the answer to it. */
async function runTurn(sessionId: string, lines: readonly string[]): Promise<Json> {
  const answer: Json = { stopReason: "end_turn" };
  const cancel = new Promise<"cancelled">((resolve) => cancelled.set(sessionId, () => resolve("cancelled")));
  for (const line of lines) {
    const [word = "", ...rest] = line.trim().split(" ");
    const text = rest.join(" ");
    switch (word) {
      case "say":
        chunk(sessionId, text);
        break;
      case "think":
        chunk(sessionId, text, "agent_thought_chunk");
        break;
      case "chunks":
        for (let index = 1; index <= Number(text); index++) chunk(sessionId, `${index} `);
        break;
      case "tool": {
        const [toolCallId = "t", status = "completed"] = rest;
        update(sessionId, {
          sessionUpdate: "tool_call",
          toolCallId,
          title: "Run it",
          kind: "execute",
          status: "pending",
          rawInput: { command: toolCallId },
        });
        update(sessionId, {
          sessionUpdate: "tool_call_update",
          toolCallId,
          status: "in_progress",
          content: [{ type: "content", content: { type: "text", text: "first" } }],
        });
        if (status !== "open") {
          update(sessionId, {
            sessionUpdate: "tool_call_update",
            toolCallId,
            status,
            content: [{ type: "content", content: { type: "text", text: "last" } }],
          });
        }
        break;
      }
      case "write":
        await writeFile(rest[0] as string, `${rest.slice(1).join(" ")}\n`);
        break;
      case "read":
        chunk(sessionId, await readFile(text, "utf8").catch((error: NodeJS.ErrnoException) => `error ${error.code}`));
        break;
      case "remember":
        keep(sessionId, [...(recall(sessionId) ?? []), text]);
        break;
      case "recall":
        chunk(sessionId, (recall(sessionId) ?? []).join(","));
        break;
      case "permission": {
        const options = [
          { optionId: "no", name: "No", kind: "reject_once" },
          { optionId: "yes", name: "Yes", kind: "allow_once" },
        ];
        const response = await ask("session/request_permission", {
          sessionId,
          toolCall: { toolCallId: "p", title: text },
          options,
        });
        chunk(sessionId, JSON.stringify((response["result"] as Json | undefined)?.["outcome"]));
        break;
      }
      case "ask":
        chunk(sessionId, String(((await ask(text, { sessionId }))["error"] as Json | undefined)?.["code"]));
        break;
      case "cost":
        update(sessionId, {
          sessionUpdate: "usage_update",
          used: 10,
          size: 100,
          cost: { amount: Number(text), currency: "USD" },
        });
        break;
      case "plan":
        update(sessionId, {
          sessionUpdate: "plan",
          entries: [{ content: "look", priority: "high", status: "completed" }],
        });
        break;
      case "unknown":
        update(sessionId, { sessionUpdate: "hologram", data: { depth: 3 } });
        break;
      case "elsewhere":
        chunk(rest[0] as string, rest.slice(1).join(" "));
        break;
      case "raw":
        update(sessionId, JSON.parse(text) as Json);
        break;
      case "meta":
        answer["_meta"] = { word: text };
        break;
      case "stop":
        answer["stopReason"] = text;
        break;
      case "gate":
        while (!(await exists(text))) await delay(5);
        break;
      case "call":
        chunk(sessionId, await callModel(text));
        break;
      case "mcp": {
        const [server, tool = "", ...args] = rest;
        const given = mcpServers.get(sessionId)?.find(({ name }) => name === server);
        chunk(
          sessionId,
          given === undefined
            ? `no server ${server}`
            : await callMcpTool(
                given,
                tool,
                Object.fromEntries(args.map((arg) => arg.split("=", 2) as [string, string])),
              ),
        );
        break;
      }
      case "env":
        chunk(sessionId, process.env[text] ?? "unset");
        break;
      case "pid":
        chunk(sessionId, String(process.pid));
        break;
      case "spawn": {
        const child = startProcess(["sleep", "1000"], {
          env: process.env as Record<string, string>,
          stdio: ["ignore", "ignore", "ignore"],
          detached: true,
        });
        await writeFile(text, String(child.pid));
        break;
      }
      case "garbage":
        for (let index = 0; index < Number(text); index++) process.stdout.write(`this is not the protocol ${index}\n`);
        break;
      case "wait":
        if ((await cancel) === "cancelled") return { stopReason: "cancelled" };
        break;
      case "hang":
        await new Promise(() => {});
        break;
      case "die":
        process.stderr.write("the agent dies as it was told\n");
        process.exit(Number(text));
        break;
      case "late":
        setImmediate(() => chunk(sessionId, text));
        break;
      case "fail":
        throw new Error(text);
      default:
        chunk(sessionId, `What does "${word}" mean?`);
    }
  }
  return answer;
}

/** The result of a request; what is thrown becomes an error of the protocol. */
async function answerRequest(method: string, params: Json): Promise<Json> {
  const sessionId = params["sessionId"] as string;
  switch (method) {
    case "initialize":
      return {
        protocolVersion: 1,
        agentCapabilities: { loadSession: true, sessionCapabilities: { list: {} }, mcpCapabilities: { http: true } },
      };
    case "session/new": {
      const created = `agent-${process.pid}-${Math.random().toString(36).slice(2)}`;
      keep(created, []);
      mcpServers.set(created, (params["mcpServers"] ?? []) as GivenMcpServer[]);
      return { sessionId: created };
    }
    case "session/load": {
      const words = recall(sessionId);
      mcpServers.set(sessionId, (params["mcpServers"] ?? []) as GivenMcpServer[]);
      if (words === undefined) throw Object.assign(new Error("Resource not found"), { code: -32002 });
      for (const word of words) chunk(sessionId, `replayed ${word}`);
      return {};
    }
    case "session/list":
      // The list is left empty, as by agents that only list what an earlier process wrote: the client must then load.
      return { sessions: [] };
    case "session/prompt": {
      const blocks = params["prompt"] as { text: string }[];
      return runTurn(
        sessionId,
        blocks
          .map((block) => block.text)
          .join("\n")
          .split("\n")
          .filter((line) => line.trim() !== ""),
      );
    }
    default:
      throw Object.assign(new Error("Method not found"), { code: -32601 });
  }
}

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const message = JSON.parse(line) as Json;
    const { id, method } = message;
    const params = (message["params"] ?? {}) as Json;
    if (typeof method !== "string") return answers.get(id as string)?.(message);
    if (method === "session/cancel") return cancelled.get(params["sessionId"] as string)?.();
    if (id === undefined) return;
    answerRequest(method, params).then(
      (result) => send({ id, result }),
      (error: Error & { code?: unknown }) =>
        send({ id, error: { code: typeof error.code === "number" ? error.code : -32603, message: error.message } }),
    );
  })
  .on("close", () => process.exit(0));
