import * as ai6 from "ai";
import * as ai7 from "ai7";
import { createIterableBackend } from "skein/backend/iterable";
import { createApp, type SkeinApp } from "skein/server";
import { openMemoryStore, type SessionStore } from "skein";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

let store: SessionStore;
let app: SkeinApp;
/** Lets the run of the test go on. */
let goOn: () => void;

const agent = createIterableBackend("agent", async function* agent({ prompt }, { signal }) {
  yield { type: "reasoning.delta", text: "Let me " };
  if (prompt === "short") {
    yield { type: "text.delta", text: "ünï" };
    yield { type: "text.delta", text: "code" };
    yield { type: "tool.started", toolCallId: "t", toolName: "look" };
    yield { type: "tool.ended", toolCallId: "t", toolName: "look", status: "completed" };
    return;
  }
  yield { type: "reasoning.delta", text: "think. " };
  yield { type: "text.delta", text: `You said ${prompt}. ` };
  yield { type: "tool.started", toolCallId: "t1", toolName: "look", args: { at: "ünïcode" }, title: "Look" };
  yield { type: "tool.ended", toolCallId: "t1", toolName: "look", status: "completed", result: { found: 3 } };
  yield { type: "tool.started", toolCallId: "t2", toolName: "fail" };
  yield { type: "tool.ended", toolCallId: "t2", toolName: "fail", status: "failed", result: "no such thing" };
  yield { type: "plan.updated", entries: [{ content: "one", status: "pending" }] };
  if (prompt === "wait")
    await new Promise<void>((resolve) => {
      goOn = resolve;
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  yield { type: "text.delta", text: "Three." };
  if (prompt === "fail") throw new Error("the agent broke");
});

beforeEach(async () => {
  store = await openMemoryStore();
  goOn = () => {};
  app = createApp({ store, tasks: { agent: { backend: agent } } });
});

afterEach(async () => {
  await app.close();
  await store.close();
});

/** The app as a `fetch`; `cutAt` is the byte after which the connection is lost. */
function connect(cutAt?: () => number | undefined): typeof fetch {
  return async (input, init) => {
    const answer = await app.request(new URL(String(input), "http://localhost"), init);
    const limit = cutAt?.();
    if (limit === undefined || answer.body === null) return answer;
    let left = limit;
    const cut = answer.body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          if (chunk.byteLength > left) {
            controller.enqueue(chunk.subarray(0, left));
            controller.error(new TypeError("network error"));
          } else controller.enqueue(chunk);
          left -= chunk.byteLength;
        },
      }),
    );
    return new Response(cut, answer);
  };
}

interface ChatState {
  status: string;
  error: Error | undefined;
  messages: { id: string; role: string; parts: unknown[] }[];
}

/** What a page keeps of a chat, without the page. */
function createState(): ChatState & Record<string, unknown> {
  return {
    status: "ready",
    error: undefined,
    messages: [],
    pushMessage(this: ChatState, message: ChatState["messages"][number]) {
      this.messages = [...this.messages, structuredClone(message)];
    },
    popMessage(this: ChatState) {
      this.messages = this.messages.slice(0, -1);
    },
    replaceMessage(this: ChatState, index: number, message: ChatState["messages"][number]) {
      this.messages = this.messages.with(index, structuredClone(message));
    },
    snapshot: <Value>(value: Value): Value => structuredClone(value),
  };
}

describe.each([
  ["6", ai6],
  ["7", ai7 as unknown as typeof ai6],
])("the chat of the AI SDK %s", (_version, { AbstractChat, DefaultChatTransport }) => {
  class TestChat extends AbstractChat<ai6.UIMessage> {}

  const createChat = (id: string, cutAt?: () => number | undefined): InstanceType<typeof TestChat> =>
    new TestChat({
      id,
      state: createState() as never,
      transport: new DefaultChatTransport({ api: "http://localhost/api/chat", fetch: connect(cutAt) }),
    });

  it("shows a run as one message, with reasoning, text, tool calls and plan", async () => {
    const chat = createChat("whole");
    await chat.sendMessage({ text: "hello" });
    expect(chat.error).toBeUndefined();
    expect(chat.status).toBe("ready");
    const message = chat.lastMessage!;
    expect(message.role).toBe("assistant");
    expect(message.parts.map(({ type }) => type)).toEqual([
      "step-start",
      "reasoning",
      "text",
      "dynamic-tool",
      "dynamic-tool",
      "data-plan",
      "text",
    ]);
    expect(message.parts).toContainEqual(expect.objectContaining({ toolName: "look", output: { found: 3 } }));
    expect(message.parts).toContainEqual(expect.objectContaining({ toolName: "fail", errorText: "no such thing" }));
    expect(message.parts.filter(({ type }) => type === "text")).toMatchObject([
      { text: "You said hello. ", state: "done" },
      { text: "Three.", state: "done" },
    ]);
    await chat.sendMessage({ text: "again" });
    expect(chat.messages.map(({ role }) => role)).toEqual(["user", "assistant", "user", "assistant"]);
  });

  it("L4: cut at every byte and resumed, ends with the same message", { timeout: 120_000 }, async () => {
    const whole = createChat("reference");
    await whole.sendMessage({ text: "short" });
    const wanted = whole.lastMessage!.parts;
    const answer = await app.request("http://localhost/api/chat/reference/stream");
    const size = (await answer.arrayBuffer()).byteLength;
    expect(size).toBeGreaterThan(500);
    for (let at = 0; at < size; at++) {
      let isFirst = true;
      const chat = createChat(`cut-${at}`, () => (isFirst ? at : undefined));
      await chat.sendMessage({ text: "short" });
      isFirst = false;
      // The mark of the end is not needed by the reader: a cut inside it is none.
      if (chat.status === "error") await chat.resumeStream();
      expect({ at, status: chat.status, parts: chat.lastMessage?.parts }).toEqual({
        at,
        status: "ready",
        parts: wanted,
      });
      expect(chat.messages).toHaveLength(2);
    }
  });

  it("follows a run that goes on while nobody reads, and does not begin a second one for the same message", async () => {
    const first = createChat("away");
    const sent = first.sendMessage({ text: "wait" });
    await until("chat_away", "plan.updated");
    await first.stop();
    await sent;
    expect(await store.get("chat_away")).toMatchObject({ status: "running" });
    const second = createChat("away");
    second.messages = [...first.messages.slice(0, 1)];
    const resumed = second.resumeStream();
    goOn();
    await resumed;
    expect(second.lastMessage?.parts.at(-1)).toMatchObject({ type: "text", text: "Three.", state: "done" });
    const started = await runsOf("chat_away");
    expect(started).toBe(1);
    const again = await app.request("http://localhost/api/chat", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ id: "away", messages: first.messages.slice(0, 1), trigger: "submit-message" }),
    });
    await again.text();
    expect(await runsOf("chat_away")).toBe(1);
  });

  it("L6: is stopped by a request of its own", async () => {
    const chat = createChat("stopped");
    const sent = chat.sendMessage({ text: "wait" });
    await until("chat_stopped", "plan.updated");
    const answer = await app.request("http://localhost/api/chat/stopped/stop", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect(await answer.json()).toEqual({ sessionId: "chat_stopped", status: "aborted" });
    await sent;
    expect(await store.get("chat_stopped")).toMatchObject({ status: "aborted" });
    expect(chat.status).toBe("ready");
  });

  it("has what was said before as the messages that a chat has followed, and what goes on as its question alone", async () => {
    const chat = createChat("past");
    const history = async (query = ""): Promise<{ status: string; messages: unknown[]; next?: string }> =>
      (await (await app.request(`http://localhost/api/chat/past${query}`)).json()) as never;
    expect(await history()).toMatchObject({ id: "past", status: "created", messages: [] });
    await chat.sendMessage({ text: "hello" });
    await chat.sendMessage({ text: "short" });
    await chat.sendMessage({ text: "fail" });
    await chat.regenerate();
    expect(await runsOf("chat_past")).toBe(4);
    const told = (messages: readonly object[]): unknown =>
      JSON.parse(
        JSON.stringify(messages, (_key, value: unknown) =>
          // The SDK numbers parts of its own; a user's message has the metadata that its page gave it.
          typeof value === "object" && value !== null && (value as { type?: unknown }).type === "reasoning"
            ? { ...value, id: undefined }
            : value,
        ),
      );
    expect(told((await history()).messages as object[])).toEqual(told(chat.messages));
    const sent = chat.sendMessage({ text: "wait" });
    await until("chat_past", "plan.updated", 4);
    const during = await history();
    expect(during).toMatchObject({ status: "running" });
    expect(during.messages).toHaveLength(7);
    expect(during.messages.at(-1)).toMatchObject({ role: "user", parts: [{ type: "text", text: "wait" }] });
    goOn();
    await sent;
    const { messages: newest, next } = await history("?limit=1");
    expect(told(newest as object[])).toEqual(told(chat.messages.slice(-2)));
    const { messages: earlier, next: none } = await history(`?before=${next ?? ""}`);
    expect(told(earlier as object[])).toEqual(told(chat.messages.slice(0, -2)));
    expect(none).toBeUndefined();
  });

  it("shows a failed run as an error, with what was said before", async () => {
    const chat = createChat("failed");
    await chat.sendMessage({ text: "fail" });
    expect(chat.error?.message).toBe("the agent broke");
    expect(chat.lastMessage?.parts.at(-1)).toMatchObject({ type: "text", text: "Three." });
  });

  it("has nothing to resume before its first message, and leads into no session that is not a chat", async () => {
    const chat = createChat("new");
    await chat.resumeStream();
    expect(chat.status).toBe("ready");
    await store.create({ id: "chat_private", kind: "task" });
    await using writer = await store.openWriter("chat_private");
    await writer.append([{ type: "run.started", kind: "task", task: "secret" }]);
    expect((await app.request("http://localhost/api/chat/private/stream")).status).toBe(404);
    expect((await app.request("http://localhost/api/chat/..%2Fx/stream")).status).toBe(400);
  });
});

/** @param count so many of the type */
async function until(sessionId: string, type: string, count = 1): Promise<void> {
  while ((await store.get(sessionId)) === undefined) await new Promise((resolve) => setImmediate(resolve));
  let seen = 0;
  for await (const event of store.tail(sessionId)) if (event.type === type && ++seen === count) return;
}

async function runsOf(sessionId: string): Promise<number> {
  let count = 0;
  for await (const event of store.read(sessionId)) if (event.type === "run.started") count += 1;
  return count;
}
