/** How a request was made; each has its own words for the same things. */
export type ScriptedApi = "chat" | "responses" | "messages" | "gemini";

/**
 * What a model is asked, in whichever API.
 *
 * @experimental
 */
export interface ScriptedModelRequest {
  readonly api: ScriptedApi;
  readonly model: string;
  readonly isStream: boolean;
  /** Oldest first: what was said, and the results of tools. */
  readonly turns: readonly ScriptedModelTurn[];
  readonly tools: readonly ScriptedTool[];
  /** The whole request, as it came. */
  readonly body: unknown;
}

/** @experimental */
export interface ScriptedModelTurn {
  readonly role: "system" | "user" | "assistant" | "tool";
  readonly text: string;
}

/** A tool that the agent offers. @experimental */
export interface ScriptedTool {
  readonly name: string;
  /** The group that it stands in, where the request has groups. */
  readonly namespace?: string;
  /** The names of its arguments, with their types where they are told. */
  readonly parameters: Readonly<Record<string, { readonly type?: unknown }>>;
  readonly required: readonly string[];
}

type Fields = Readonly<Record<string, unknown>>;

/** Reads a request of any of the four APIs. */
export function parseModelRequest(api: ScriptedApi, path: string, body: unknown): ScriptedModelRequest {
  const fields = toFields(body);
  if (api === "gemini") {
    return {
      api,
      model: decodeURIComponent(/\/models\/([^/:]+):/.exec(path)?.[1] ?? ""),
      isStream: path.includes(":streamGenerateContent"),
      turns: toList(fields["contents"]).flatMap(geminiTurns),
      tools: toList(fields["tools"])
        .flatMap((tool) => toList(tool["functionDeclarations"]))
        .map((tool) => toTool(tool["name"], tool["parameters"] ?? tool["parametersJsonSchema"])),
      body,
    };
  }
  const common = { api, model: String(fields["model"] ?? ""), isStream: fields["stream"] === true, body };
  const offered = toList(fields["tools"]).flatMap((tool) =>
    tool["type"] === "namespace"
      ? toList(tool["tools"]).map((inner): Fields => ({ ...inner, namespace: tool["name"] }))
      : [tool],
  );
  const tools = offered.map((tool): ScriptedTool => {
    const { namespace } = tool;
    const nested = toFields(tool["function"]);
    const read = toTool(
      nested["name"] ?? tool["name"] ?? tool["type"],
      nested["parameters"] ?? tool["parameters"] ?? tool["input_schema"],
    );
    return typeof namespace === "string" ? { ...read, namespace } : read;
  });
  if (api === "responses") {
    const { input } = fields;
    const turns =
      typeof input === "string" ? [{ role: "user" as const, text: input }] : toList(input).flatMap(responseTurns);
    return { ...common, turns, tools };
  }
  return { ...common, turns: toList(fields["messages"]).flatMap(messageTurns), tools };
}

function messageTurns(message: Fields): ScriptedModelTurn[] {
  const { role, content } = message;
  if (role === "tool") return [{ role: "tool", text: textOf(content) }];
  if (Array.isArray(content)) {
    // Anthropic: results of tools stand in a message of the user's.
    const parts = toList(content);
    const results = parts.filter((part) => part["type"] === "tool_result");
    const text = textOf(parts.filter((part) => part["type"] !== "tool_result"));
    return [
      ...results.map((part) => ({ role: "tool" as const, text: textOf(part["content"]) })),
      ...(text === "" ? [] : [{ role: toRole(role), text }]),
    ];
  }
  return [{ role: toRole(role), text: textOf(content) }];
}

function responseTurns(item: Fields): ScriptedModelTurn[] {
  const type = item["type"] ?? "message";
  if (type === "message") return [{ role: toRole(item["role"]), text: textOf(item["content"]) }];
  return typeof type === "string" && type.endsWith("_output") ? [{ role: "tool", text: textOf(item["output"]) }] : [];
}

function geminiTurns(content: Fields): ScriptedModelTurn[] {
  return toList(content["parts"]).map((part) =>
    part["functionResponse"] === undefined
      ? { role: toRole(content["role"]), text: textOf(part["text"]) }
      : { role: "tool", text: JSON.stringify(toFields(part["functionResponse"])["response"] ?? {}) },
  );
}

function toRole(role: unknown): ScriptedModelTurn["role"] {
  if (role === "assistant" || role === "model") return "assistant";
  return role === "system" || role === "developer" ? "system" : "user";
}

function toTool(name: unknown, schema: unknown): ScriptedTool {
  const { properties, required } = toFields(schema);
  return {
    name: String(name ?? ""),
    parameters: toFields(properties) as ScriptedTool["parameters"],
    required: Array.isArray(required) ? required.map(String) : [],
  };
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (Array.isArray(content)) return content.map(textOf).join("\n");
  const { text, content: inner } = toFields(content);
  return typeof text === "string" ? text : inner === undefined ? "" : textOf(inner);
}

function toFields(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function toList(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(toFields) : [];
}
