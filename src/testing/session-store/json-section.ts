import { describe, expect, it } from "vitest";
import { MAX_JSON_VALUES } from "../../event/clone-json.ts";
import type { AppendBody } from "../../store/session-store.ts";
import type { SessionStoreKitOptions } from "./store-under-test.ts";
import { StoreUnderTest, beginRun, delta, readAll } from "./store-under-test.ts";

function custom(data: unknown): AppendBody {
  return { type: "custom", name: "n", data } as AppendBody;
}

function nest(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = [value];
  return value;
}

const cycle: { self?: unknown } = {};
cycle.self = cycle;

/** Events that are not JSON are refused; those that are odd but JSON are kept exactly. */
export function testJson(kit: SessionStoreKitOptions): void {
  describe("JSON", () => {
    const stores = new StoreUnderTest(kit);

    it.each([
      ["a BigInt", 1n],
      ["a cycle", cycle],
      ["a function", () => 1],
      ["a symbol", Symbol("s")],
      ["NaN", Number.NaN],
      ["infinity", Number.POSITIVE_INFINITY],
      ["10,000 levels", nest(10_000)],
    ])("refuses %s, and the writer goes on", async (_name, data) => {
      const store = await stores.open();
      const writer = await beginRun(store);
      await expect(writer.append([custom(data)])).rejects.toMatchObject({ code: "event_not_json" });
      const [event] = await writer.append([delta("next")]);
      expect(event?.seq).toBe(2);
    });

    it.each([
      ["a lone surrogate", "a\ud800b"],
      ["NUL", "a\u0000b"],
      ["line separators", "\u2028\u2029\r\n"],
      ["a field called __proto__", JSON.parse('{"__proto__":{"polluted":true},"x":1}')],
      ["minus zero", [-0, { zero: -0 }]],
      ["a date", new Date(0)],
      ["undefined fields", { a: undefined, b: [undefined] }],
      ["200 levels", nest(200)],
      ["numbers at the edges", [Number.MAX_SAFE_INTEGER, Number.MIN_VALUE, 1e21, 0.1]],
      ["keys that look like the envelope's", { seq: 1, at: 2, sessionId: "x", runId: "y" }],
    ])("keeps %s as JSON does", async (_name, data) => {
      const store = await stores.open();
      const writer = await beginRun(store);
      const [delivered] = await writer.append([custom(data)]);
      const [read] = await readAll(store.read("session", { after: 1 }));
      const expected: unknown = JSON.parse(JSON.stringify(data));
      expect((delivered as unknown as { data: unknown }).data).toStrictEqual(expected);
      expect(JSON.stringify(read)).toBe(JSON.stringify(delivered));
      expect(read).toStrictEqual(JSON.parse(JSON.stringify(delivered)));
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    });

    it("keeps a lone surrogate in a delta", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      await writer.append([delta("a\udc00"), delta("\ud83e")]);
      expect(await readAll(store.read("session", { after: 1 }))).toMatchObject([
        { text: "a\udc00" },
        { text: "\ud83e" },
      ]);
    });

    it("never takes the envelope's fields from a body", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      const foreign = {
        seq: 99,
        at: 1,
        sessionId: "other",
        runId: "other",
        type: "text.delta",
        text: "moved",
      } as unknown as AppendBody;
      const [event] = await writer.append([foreign]);
      expect(event).toMatchObject({ seq: 2, sessionId: "session", text: "moved" });
      expect(event?.runId).not.toBe("other");
      expect(event?.at).toBeGreaterThan(1);
    });

    it.each([
      ["no type", { text: "x" }],
      ["an unknown type", { type: "text.gamma", text: "x" }],
      ["a field of the wrong type", { type: "text.delta", text: 7 }],
      ["null", null],
      ["a string", "text.delta"],
      ["a turn without a position", { type: "text.delta", text: "x", turn: { id: "t" } }],
    ])("refuses a body with %s", async (_name, body) => {
      const store = await stores.open();
      const writer = await beginRun(store);
      await expect(writer.append([body as unknown as AppendBody])).rejects.toMatchObject({ code: "event_invalid" });
    });

    it("refuses an event above its limit, and keeps one of several megabytes", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      const text = "y".repeat(5_000_000);
      await writer.append([delta(text)]);
      const [, large] = await readAll(store.read("session"));
      expect((large as { text?: string }).text === text).toBe(true);
      await expect(writer.append([delta("z".repeat(store.capabilities.maxEventBytes))])).rejects.toMatchObject({
        code: "event_too_large",
      });
      const [after] = await writer.append([delta("after")]);
      expect(after).toMatchObject({ seq: 3, text: "after" });
    });

    it("refuses an event of more values than can be copied without keeping others waiting", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      const data = Array.from({ length: MAX_JSON_VALUES + 1 }, () => 0);
      await expect(writer.append([custom(data)])).rejects.toMatchObject({ code: "event_too_large" });
      const [after] = await writer.append([delta("after")]);
      expect(after).toMatchObject({ seq: 2, text: "after" });
    });

    it("stores what a large body is when it is appended, whatever becomes of it later", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      const body = { type: "custom", name: "large", data: { text: "y".repeat(3_000_000), note: "as it was" } } as const;
      const appended = [writer.append([body]), writer.append([delta("next")])];
      (body.data as { note: string }).note = "changed";
      await Promise.all(appended);
      const [, large, next] = await readAll(store.read("session"));
      expect(large).toMatchObject({ seq: 2, data: { note: "as it was" } });
      expect(next).toMatchObject({ seq: 3, text: "next" });
    });
  });
}
