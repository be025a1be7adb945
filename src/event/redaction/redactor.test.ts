import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BoxEvent } from "../event.ts";
import { createRedactor } from "./redactor.ts";

const KEY = "hunter2-hunter2-hunter2";

function textOf(events: readonly BoxEvent[], type: "text.delta" | "reasoning.delta" = "text.delta"): string {
  return events.map((event) => (event.type === type ? event.text : "")).join("");
}

function redactChunks(chunks: readonly string[], secrets: readonly string[] = [KEY]): BoxEvent[] {
  const run = createRedactor({ secrets }).begin();
  return [...chunks.flatMap((text) => run.push({ type: "text.delta", text })), ...run.flush()];
}

/** The text cut at the given places. */
function cutAt(text: string, cuts: readonly number[]): string[] {
  const places = [0, ...cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b), text.length];
  return places.slice(1).map((place, index) => text.slice(places[index], place));
}

const SHAPED = [
  `sk-${"aB3d".repeat(8)}`,
  `ghp_${"a1B2".repeat(9)}`,
  "AKIAIOSFODNN7EXAMPLE",
  `eyJ${"hbGciOiJIUzI1NiJ9".repeat(2)}.${"eyJzdWIiOiIxMjM0NTY3ODkw".repeat(2)}.sig_part-x`,
  "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA75\nabc+/=\n-----END RSA PRIVATE KEY-----",
];

describe("redactor", () => {
  it("L9: replaces a known secret, an environment secret and known shapes by a named marker", () => {
    const run = createRedactor({
      secrets: [{ name: "MY_KEY", value: KEY }],
      env: { OPENAI_API_KEY: "0123456789", HOME: "/home/somebody" },
    }).begin();
    const events = [
      ...run.push({ type: "text.delta", text: `a ${KEY} b 0123456789 c AKIAIOSFODNN7EXAMPLE d /home/somebody e` }),
      ...run.flush(),
    ];
    expect(textOf(events)).toBe(
      "a [redacted:MY_KEY] b [redacted:OPENAI_API_KEY] c [redacted:aws-access-key] d /home/somebody e",
    );
  });

  it("L9: ignores environment values shorter than eight characters and names that do not look like a secret", () => {
    const run = createRedactor({ env: { API_KEY: "short", EDITOR: "visual-editor" } }).begin();
    expect(textOf([...run.push({ type: "text.delta", text: "short visual-editor" }), ...run.flush()])).toBe(
      "short visual-editor",
    );
  });

  it("L9: catches a secret that is split over deltas at any places", () => {
    fc.assert(
      fc.property(fc.constantFrom(KEY, ...SHAPED), fc.array(fc.nat(400), { maxLength: 12 }), (secret, cuts) => {
        const whole = `before ${secret} after.`;
        const text = textOf(redactChunks(cutAt(whole, cuts)));
        expect(text).toMatch(/^before \[redacted:[a-z-]+\] after\.$/);
      }),
      { numRuns: 1000 },
    );
  });

  it("L9: a whole secret whose end looks like the beginning of a secret is whole all the same", () => {
    const pem = "-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----";
    for (const secret of [KEY, pem]) {
      expect(textOf(redactChunks([`x ${secret}`, " y"]))).toMatch(/^x \[redacted:[a-z-]+\] y$/);
      expect(textOf(redactChunks([`x ${secret}`, ...secret]))).not.toContain(secret.slice(3, 12));
    }
    expect(textOf(redactChunks(["abcabcab", "cabc."], ["abcabc"]))).toBe("[redacted:secret][redacted:secret].");
  });

  it("L9: gives every text back unchanged that holds no secret, however it is cut", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), fc.array(fc.nat(200), { maxLength: 8 }), (text, cuts) => {
        fc.pre(!text.includes(KEY));
        expect(textOf(redactChunks(cutAt(text, cuts)))).toBe(text);
      }),
    );
  });

  it("L9: holds back only the tail that could begin a secret", () => {
    const run = createRedactor({ secrets: [KEY] }).begin();
    expect(textOf(run.push({ type: "text.delta", text: "hello hunter2-hun" }))).toBe("hello ");
    expect(textOf(run.push({ type: "text.delta", text: "gry" }))).toBe("hunter2-hungry");
  });

  it("L9: lets the tail go, in order, before an event of another type", () => {
    const run = createRedactor({ secrets: [KEY] }).begin();
    expect(run.push({ type: "text.delta", text: "hunter2" })).toEqual([]);
    const events = run.push({ type: "tool.started", toolCallId: "1", toolName: "sh", args: { [KEY]: [`x${KEY}`] } });
    expect(events).toEqual([
      { type: "text.delta", text: "hunter2" },
      { type: "tool.started", toolCallId: "1", toolName: "sh", args: { "[redacted:secret]": ["x[redacted:secret]"] } },
    ]);
  });

  it("L9: never touches the type and the turn", () => {
    const run = createRedactor({ secrets: ["custom-turn"] }).begin();
    const turn = { id: "custom-turn", seq: 1 };
    expect(run.push({ type: "custom", name: "custom-turn", data: null, turn })).toEqual([
      { type: "custom", name: "[redacted:secret]", data: null, turn },
    ]);
  });

  it("L9: catches a secret that stands inside JSON inside a string", () => {
    const secret = 'pass"word\nwith lines';
    const run = createRedactor({ secrets: [secret] }).begin();
    const [event] = run.push({ type: "custom", name: "x", data: JSON.stringify({ a: secret }) });
    expect(event).toEqual({ type: "custom", name: "x", data: '{"a":"[redacted:secret]"}' });
  });

  it("L9: swallows a private key that never ends, and goes on after a token that is too long", () => {
    const text = textOf(
      redactChunks([`x -----BEGIN PRIVATE KEY-----\n`, "QUJD\n".repeat(5000), "QUJDREVG\n".repeat(10)]),
    );
    expect(text).toBe("x [redacted:long-secret]");
    const token = textOf(redactChunks([`y sk-${"a".repeat(20_000)}`, "aaaa", "a! done"]));
    expect(token).toBe("y [redacted:long-secret]! done");
  });

  it("B5: says how far into a turn the stored text reaches, so that the rest can be asked for again", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(60), { maxLength: 10 }), fc.nat(20), (cuts, stopAfter) => {
        const whole = `one ${KEY.slice(0, 12)} two ${KEY.slice(0, 9)}`;
        const chunks = cutAt(whole, cuts).filter((chunk) => chunk !== "");
        const deltas = chunks.map((text, index): BoxEvent => ({
          type: "text.delta",
          text,
          turn: { id: "t", seq: index + 1 },
        }));
        const run = createRedactor({ secrets: [KEY] }).begin();
        const stored = [...deltas.flatMap((delta) => run.push(delta)), ...run.flush()].slice(0, stopAfter);
        const mark = stored.at(-1)?.turn;
        const next = mark === undefined ? 1 : mark.offset === undefined ? mark.seq + 1 : mark.seq;
        const rest = chunks.slice(next - 1).map((text, index) => (index === 0 ? text.slice(mark?.offset ?? 0) : text));
        expect(textOf(stored) + rest.join("")).toBe(whole);
      }),
    );
  });

  it("L9: redacts a large body in steps as it does in one go, also where a secret lies over the border of two stretches", () => {
    const stretch = 128 * 1024;
    const redactor = createRedactor({ secrets: [KEY, "abcabc"] });
    const secret = fc.constantFrom(
      KEY,
      "abcabc",
      ...SHAPED,
      `sk-${"z".repeat(200_000)}`,
      "-----BEGIN PRIVATE KEY-----",
      "sk-",
      "task-",
    );
    const filler = fc.constantFrom("x ", "sk-", "a-b_", "-----BEGIN ", "eyJ", "é", "hunter2-");
    fc.assert(
      fc.property(
        fc.array(fc.tuple(filler, fc.integer({ min: -40, max: 4 }), secret), { maxLength: 3 }),
        fc.boolean(),
        (parts, isDelta) => {
          let text = "";
          for (const [fill, before, key] of parts) {
            const to = (Math.floor(text.length / stretch) + 1) * stretch + before;
            text += fill.repeat(Math.max(0, Math.ceil((to - text.length) / fill.length))) + key;
          }
          text += " end.";
          const body: BoxEvent = isDelta
            ? { type: "text.delta", text, turn: { id: "t", seq: 2 } }
            : { type: "custom", name: "x", data: { [KEY]: ["a", text, { b: text.slice(-50_000) }] } };
          const first: BoxEvent = { type: "text.delta", text: "so hunter2-", turn: { id: "t", seq: 1 } };
          const [atOnce, inSteps] = [redactor.begin(), redactor.begin()];
          const expected = [...atOnce.push(first), ...atOnce.push(body), ...atOnce.flush()];
          const redacted = [...inSteps.push(first)];
          const steps = inSteps.pushInSteps?.(body) as Iterator<unknown, BoxEvent[]>;
          let step = steps.next();
          while (step.done !== true) step = steps.next();
          redacted.push(...step.value, ...inSteps.flush());
          expect(JSON.stringify(redacted) === JSON.stringify(expected)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("L9: leaves what is held as it was where a large body is given up half way", () => {
    const run = createRedactor({ secrets: [KEY] }).begin();
    run.push({ type: "text.delta", text: "so hunter2-" });
    const steps = run.pushInSteps?.({ type: "text.delta", text: "x".repeat(1_000_000) });
    expect(steps?.next().done).toBe(false);
    expect(textOf(run.flush())).toBe("hunter2-");
  });
});
