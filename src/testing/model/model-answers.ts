import type { ScriptedApi, ScriptedModelRequest } from "./model-request.ts";

/** What is said or called, and what it is said to have taken. */
export interface PlainAnswer {
  readonly id: string;
  readonly model: string;
  readonly say?: string;
  readonly call?: { readonly id: string; readonly name: string; readonly namespace?: string; readonly args: unknown };
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedTokens: number;
}

/** One line or pair of lines of a stream of events. */
export type ModelEvent = { readonly event?: string; readonly data: unknown };

interface AnswerShape {
  /** The answer as one object. */
  whole(answer: PlainAnswer): unknown;
  /** The same as events. */
  events(answer: PlainAnswer, request: ScriptedModelRequest): ModelEvent[];
}

const argumentsOf = ({ call }: PlainAnswer): string => JSON.stringify(call?.args ?? {});
/** A text in two pieces, so that whoever reads a stream has to put it together. */
const halves = (text: string): string[] =>
  [text.slice(0, Math.ceil(text.length / 2)), text.slice(Math.ceil(text.length / 2))].filter((part) => part !== "");

const chat: AnswerShape = {
  whole: (answer) => ({
    id: answer.id,
    object: "chat.completion",
    created: 0,
    model: answer.model,
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: answer.say ?? null,
          ...(answer.call === undefined
            ? {}
            : {
                tool_calls: [
                  {
                    id: answer.call.id,
                    type: "function",
                    function: { name: answer.call.name, arguments: argumentsOf(answer) },
                  },
                ],
              }),
        },
        finish_reason: answer.call === undefined ? "stop" : "tool_calls",
      },
    ],
    usage: chatUsage(answer),
  }),
  events: (answer, request) => {
    const base = { id: answer.id, object: "chat.completion.chunk", created: 0, model: answer.model };
    const delta = (fields: unknown, finish: string | null = null): ModelEvent => ({
      data: { ...base, choices: [{ index: 0, delta: fields, finish_reason: finish }] },
    });
    const { stream_options: options } = request.body as { stream_options?: { include_usage?: boolean } };
    return [
      delta({ role: "assistant", content: "" }),
      ...(answer.say === undefined ? [] : halves(answer.say).map((content) => delta({ content }))),
      ...(answer.call === undefined
        ? []
        : [
            delta({
              tool_calls: [
                { index: 0, id: answer.call.id, type: "function", function: { name: answer.call.name, arguments: "" } },
              ],
            }),
            ...halves(argumentsOf(answer)).map((text) =>
              delta({ tool_calls: [{ index: 0, function: { arguments: text } }] }),
            ),
          ]),
      delta({}, answer.call === undefined ? "stop" : "tool_calls"),
      ...(options?.include_usage === true ? [{ data: { ...base, choices: [], usage: chatUsage(answer) } }] : []),
      { data: "[DONE]" },
    ];
  },
};

function chatUsage({ inputTokens, outputTokens, cachedTokens }: PlainAnswer): unknown {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

const responses: AnswerShape = {
  whole: (answer) => responseObject(answer, "completed"),
  events: (answer) => {
    let sequence = 0;
    const event = (type: string, fields: object): ModelEvent => ({
      event: type,
      data: { type, sequence_number: sequence++, ...fields },
    });
    const item = outputItem(answer);
    const place = { item_id: item.id, output_index: 0 };
    const begun = [
      event("response.created", { response: responseObject(answer, "in_progress") }),
      event("response.in_progress", { response: responseObject(answer, "in_progress") }),
    ];
    const text = answer.say ?? "";
    const part = { type: "output_text", text: "", annotations: [] };
    const middle =
      answer.call === undefined
        ? [
            event("response.output_item.added", {
              output_index: 0,
              item: { ...item, status: "in_progress", content: [] },
            }),
            event("response.content_part.added", { ...place, content_index: 0, part }),
            ...halves(text).map((delta) => event("response.output_text.delta", { ...place, content_index: 0, delta })),
            event("response.output_text.done", { ...place, content_index: 0, text }),
            event("response.content_part.done", { ...place, content_index: 0, part: { ...part, text } }),
          ]
        : [
            event("response.output_item.added", {
              output_index: 0,
              item: { ...item, status: "in_progress", arguments: "" },
            }),
            ...halves(argumentsOf(answer)).map((delta) =>
              event("response.function_call_arguments.delta", { ...place, delta }),
            ),
            event("response.function_call_arguments.done", { ...place, arguments: argumentsOf(answer) }),
          ];
    return [
      ...begun,
      ...middle,
      event("response.output_item.done", { output_index: 0, item }),
      event("response.completed", { response: responseObject(answer, "completed") }),
    ];
  },
};

function outputItem(answer: PlainAnswer): { id: string } & Record<string, unknown> {
  if (answer.call !== undefined) {
    const { id, name, namespace } = answer.call;
    return {
      id: `fc_${id}`,
      type: "function_call",
      ...(namespace === undefined ? {} : { namespace }),
      status: "completed",
      call_id: id,
      name,
      arguments: argumentsOf(answer),
    };
  }
  const content = [{ type: "output_text", text: answer.say ?? "", annotations: [] }];
  return { id: `msg_${answer.id}`, type: "message", status: "completed", role: "assistant", content };
}

function responseObject(answer: PlainAnswer, status: string): unknown {
  const { inputTokens, outputTokens, cachedTokens } = answer;
  return {
    id: answer.id,
    object: "response",
    created_at: 0,
    status,
    model: answer.model,
    output: status === "completed" ? [outputItem(answer)] : [],
    ...(status === "completed"
      ? {
          usage: {
            input_tokens: inputTokens,
            input_tokens_details: { cached_tokens: cachedTokens },
            output_tokens: outputTokens,
            output_tokens_details: { reasoning_tokens: 0 },
            total_tokens: inputTokens + outputTokens,
          },
        }
      : {}),
  };
}

const messages: AnswerShape = {
  whole: (answer) => ({
    id: answer.id,
    type: "message",
    role: "assistant",
    model: answer.model,
    content: [messageBlock(answer)],
    stop_reason: answer.call === undefined ? "end_turn" : "tool_use",
    stop_sequence: null,
    usage: messageUsage(answer),
  }),
  events: (answer) => {
    const event = (type: string, fields: object): ModelEvent => ({ event: type, data: { type, ...fields } });
    const start = {
      id: answer.id,
      type: "message",
      role: "assistant",
      model: answer.model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
    };
    const deltas =
      answer.call === undefined
        ? halves(answer.say ?? "").map((text) => ({ type: "text_delta", text }))
        : halves(argumentsOf(answer)).map((text) => ({ type: "input_json_delta", partial_json: text }));
    const empty = answer.call === undefined ? { type: "text", text: "" } : { ...messageBlock(answer), input: {} };
    return [
      event("message_start", { message: { ...start, usage: { ...messageUsage(answer), output_tokens: 1 } } }),
      event("content_block_start", { index: 0, content_block: empty }),
      ...deltas.map((delta) => event("content_block_delta", { index: 0, delta })),
      event("content_block_stop", { index: 0 }),
      event("message_delta", {
        delta: { stop_reason: answer.call === undefined ? "end_turn" : "tool_use", stop_sequence: null },
        usage: { output_tokens: answer.outputTokens },
      }),
      event("message_stop", {}),
    ];
  },
};

function messageBlock({ say, call }: PlainAnswer): Record<string, unknown> {
  return call === undefined
    ? { type: "text", text: say ?? "" }
    : { type: "tool_use", id: call.id, name: call.name, input: call.args };
}

function messageUsage({ inputTokens, outputTokens, cachedTokens }: PlainAnswer): Record<string, number> {
  return {
    input_tokens: inputTokens - cachedTokens,
    cache_read_input_tokens: cachedTokens,
    cache_creation_input_tokens: 0,
    output_tokens: outputTokens,
  };
}

const gemini: AnswerShape = {
  whole: (answer) => geminiChunk(answer, answer.say ?? "", true),
  events: (answer) => {
    const texts = answer.call === undefined ? halves(answer.say ?? "") : [""];
    return texts.map((text, index) => ({ data: geminiChunk(answer, text, index === texts.length - 1) }));
  },
};

function geminiChunk(answer: PlainAnswer, text: string, isLast: boolean): unknown {
  const { call, inputTokens, outputTokens, cachedTokens } = answer;
  const part = call === undefined ? { text } : { functionCall: { id: call.id, name: call.name, args: call.args } };
  return {
    responseId: answer.id,
    modelVersion: answer.model,
    candidates: [{ index: 0, content: { role: "model", parts: [part] }, ...(isLast ? { finishReason: "STOP" } : {}) }],
    usageMetadata: {
      promptTokenCount: inputTokens,
      candidatesTokenCount: outputTokens,
      cachedContentTokenCount: cachedTokens,
      totalTokenCount: inputTokens + outputTokens,
    },
  };
}

/** How each API says the same. */
export const ANSWER_SHAPES: Readonly<Record<ScriptedApi, AnswerShape>> = { chat, responses, messages, gemini };
