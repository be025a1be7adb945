import type { ScriptedModelRequest, ScriptedTool } from "./model-request.ts";

/**
 * What goes wrong instead of an answer: a status with an error, an answer that never comes, a stream that is cut in the middle,
 * an answer that is not of the API.
 *
 * @experimental
 */
export type ModelFault = "400" | "401" | "429" | "500" | "hang" | "cut" | "garbage";

/**
 * One answer of a model.
 *
 * @experimental
 */
export type ScriptedModelAnswer =
  | { readonly say: string }
  | { readonly call: string; readonly namespace?: string; readonly args: Readonly<Record<string, unknown>> }
  | { readonly fault: ModelFault };

/** @experimental */
export type ModelScript = (request: ScriptedModelRequest) => ScriptedModelAnswer;

const STEP = /\{\{(say|run|call|fault|remember|recall)(?::\s*([^}]*))?\}\}/g;

interface Step {
  readonly what: string;
  readonly text: string;
}

/**
 * Does what the last prompt says between double braces, one step for each answer:
 *
 * | step | answer |
 * |---|---|
 * | `{{run: COMMAND}}` | calls the agent's tool for shell commands, whatever its name is |
 * | `{{call: NAME KEY=VALUE …}}` | calls the agent's tool whose name is that, or ends with it, as names of MCP servers' tools do; a key may be `OUTER.INNER` |
 * | `{{say: TEXT}}` | text |
 * | `{{fault: WHAT}}` | a {@link ModelFault}, each time it is asked |
 * | `{{remember: WORD}}` | nothing by itself |
 * | `{{recall}}` | says every word of the whole conversation that was to be remembered |
 *
 * Then it says `done`. A request that offers no tools (agents ask for titles and summaries) is answered by `A title`.
 *
 * @experimental
 */
export const promptScript: ModelScript = (request) => {
  const { turns } = request;
  const at = turns.findLastIndex((turn) => turn.role === "user" && stepsIn(turn.text).length > 0);
  const steps = at < 0 ? [] : stepsIn(turns[at]?.text ?? "").filter(({ what }) => what !== "remember");
  const fault = steps.find(({ what }) => what === "fault");
  if (fault !== undefined && isFault(fault.text)) return { fault: fault.text };
  if (request.tools.length === 0) return { say: "A title" };
  const done = turns.slice(at + 1).filter(({ role }) => role === "tool").length;
  const calls = steps.filter(({ what }) => what === "run" || what === "call");
  const next = calls[done];
  if (next?.what === "call") return toNamedCall(request.tools, next.text);
  if (next !== undefined) {
    const call = toShellCall(request.tools, next.text);
    return (
      call ?? { say: `There is no tool for shell commands among ${request.tools.map(({ name }) => name).join(", ")}.` }
    );
  }
  const words = steps.flatMap(({ what, text }) =>
    what === "say" ? [text] : what === "recall" ? [`I remember ${remembered(request).join(" ") || "nothing"}`] : [],
  );
  return { say: words.join(" ") || "done" };
};

/** A call of whichever of the tools runs shell commands, with its arguments filled in as its schema wants them. */
export function toShellCall(tools: readonly ScriptedTool[], command: string): ScriptedModelAnswer | undefined {
  const isShell = ({ name }: ScriptedTool): boolean =>
    /^(bash|shell|shell_command|exec_command|run_shell_command|local_shell|run_terminal_cmd)$/i.test(name);
  const tool = tools.find(isShell);
  if (tool === undefined) return undefined;
  const key = ["command", "cmd"].find((name) => Object.hasOwn(tool.parameters, name)) ?? "command";
  const isList = tool.parameters[key]?.type === "array";
  const args: Record<string, unknown> = { [key]: isList ? ["bash", "-lc", command] : command };
  for (const name of tool.required) {
    if (name in args) continue;
    const type = tool.parameters[name]?.type;
    args[name] = type === "boolean" ? false : type === "number" || type === "integer" ? 60_000 : "Runs a command";
  }
  return { call: tool.name, args };
}

function toNamedCall(tools: readonly ScriptedTool[], text: string): ScriptedModelAnswer {
  const [wanted = "", ...args] = text.split(" ");
  const tool = tools.find(({ name }) => name === wanted) ?? tools.find(({ name }) => name.endsWith(wanted));
  if (tool === undefined)
    return { say: `There is no tool ${wanted} among ${tools.map(({ name }) => name).join(", ")}.` };
  return {
    call: tool.name,
    ...(tool.namespace === undefined ? {} : { namespace: tool.namespace }),
    args: toArguments(args, tool.parameters),
  };
}

/** `KEY=VALUE`, a number where the tool wants one; `OUTER.INNER=VALUE` is one of an object. */
function toArguments(texts: readonly string[], parameters: ScriptedTool["parameters"]): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const text of texts) {
    const [key = "", value = ""] = text.split("=", 2);
    const [name = "", inner] = key.split(".", 2);
    const type = parameters[name]?.type;
    if (inner !== undefined) result[name] = { ...(result[name] as object | undefined), [inner]: value };
    else result[name] = type === "number" || type === "integer" ? Number(value) : value;
  }
  return result;
}

function remembered({ turns }: ScriptedModelRequest): string[] {
  return turns
    .filter(({ role }) => role === "user")
    .flatMap(({ text }) => stepsIn(text))
    .filter(({ what }) => what === "remember")
    .map(({ text }) => text);
}

function stepsIn(text: string): Step[] {
  return [...text.matchAll(STEP)].map(([, what = "", rest = ""]) => ({ what, text: rest.trim() }));
}

function isFault(text: string): text is ModelFault {
  return ["400", "401", "429", "500", "hang", "cut", "garbage"].includes(text);
}
