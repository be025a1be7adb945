import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { BoxEvent, EventBody, StoredEvent } from "../../event/event.ts";
import type { LocalSandboxClient } from "../../sandbox/local/index.ts";
import { openLocalSandbox } from "../../sandbox/local/index.ts";
import type { Session } from "../../store/session-store.ts";
import { collect, patchIn, take, textIn } from "../../testing/box-events.ts";
import { testBackend } from "../../testing/test-backend.ts";
import type { Backend, BackendContext, BackendInput } from "../backend.ts";
import { createBoxBackend } from "./box-backend.ts";

const profile = { name: "scripted", agent: "scripted" };
const session = { id: "session_1" } as Session;
let directory: string;
let client: LocalSandboxClient;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "skein-backend-"));
  client = await openLocalSandbox({ directory, containment: "none" });
});

afterEach(async () => {
  for (const { id } of await client.list()) await (await client.attach(id))?.delete();
  await rm(directory, { recursive: true, force: true });
});

/** A backend that gives every run this prompt: what a box does is what its prompt says. */
function prompting(prompt: string | undefined): Backend {
  const backend = createBoxBackend({ client, profile });
  const change = (input: BackendInput): BackendInput => (prompt === undefined ? input : { ...input, prompt });
  return Object.assign(Object.create(backend) as Backend, {
    kind: backend.kind,
    start: (input: BackendInput, context: BackendContext) => backend.start?.(change(input), context),
    resume: (of: Session, input: BackendInput, context: BackendContext) => backend.resume?.(of, change(input), context),
    stream: (input: BackendInput, context: BackendContext) => backend.stream(change(input), context),
    stop: (of: Session, reason: string) => backend.stop?.(of, reason),
    acknowledge: (turnId: string, through: number) => backend.acknowledge?.(turnId, through),
  });
}

testBackend({
  name: "a box",
  hello: () => prompting("say hello"),
  failing: () => prompting("say he\ndie 3"),
  endless: () => prompting("say on\nwait"),
  // A box of its own for every run knows nothing of the last one; one that is given remembers.
  remembering: async () => createBoxBackend({ box: await client.create({ profile }) }),
});

function toContext(
  options: { resumeToken?: string; history?: readonly StoredEvent[]; signal?: AbortSignal } = {},
): BackendContext {
  return {
    signal: options.signal ?? new AbortController().signal,
    sessionId: session.id,
    runId: "run_1",
    ...(options.resumeToken === undefined ? {} : { resumeToken: options.resumeToken }),
    async *history() {
      yield* options.history ?? [];
    },
  };
}

/** Events as a store would hold them, after the start of the run that they belong to. */
function toHistory(prompt: string, events: readonly (EventBody | BoxEvent)[]): StoredEvent[] {
  const bodies = [{ type: "run.started" as const, kind: "task" as const, task: { prompt } }, ...events];
  return bodies.map((body, index) => ({ ...body, seq: index + 1, at: 0, sessionId: session.id, runId: "run_1" }));
}

const events = (iterable: AsyncIterable<EventBody | BoxEvent>): Promise<BoxEvent[]> =>
  collect(iterable as AsyncIterable<BoxEvent>);

describe("a backend over boxes", () => {
  it("runs one prompt in a box of its own, and deletes it", async () => {
    const backend = createBoxBackend({
      client,
      profile,
      files: [{ path: "a.txt", data: "one\n" }],
      labels: { mine: "yes" },
    });
    const { resumeToken } = (await backend.start?.({ prompt: "" }, toContext())) ?? {};
    const [box] = await client.list({ mine: "yes", "skein.session": session.id });
    expect(resumeToken?.startsWith(`${box?.id}/turn_`)).toBe(true);
    const all = await events(backend.stream({ prompt: "say hello\nwrite a.txt two", inputs: {} }, toContext()));
    expect(textIn(all)).toBe("hello");
    expect(patchIn(all)).toContain("+two");
    const turn = all[0]?.turn?.id as string;
    await backend.acknowledge?.(turn, all.length);
    await backend.stop?.(session, "completed");
    expect(await readdir(join(directory, "boxes"))).toEqual([]);
  });

  it("fails as the agent does, and cancels on abort", async () => {
    const backend = createBoxBackend({ client, profile });
    await backend.start?.({ prompt: "" }, toContext());
    await expect(events(backend.stream({ prompt: "die 3" }, toContext()))).rejects.toMatchObject({
      code: "agent_exited",
    });
    await backend.stop?.(session, "failed");
    await backend.start?.({ prompt: "" }, toContext());
    const controller = new AbortController();
    const stream = backend.stream({ prompt: "say one\nwait" }, toContext({ signal: controller.signal }));
    const turn = stream[Symbol.asyncIterator]();
    await take(turn as AsyncIterator<BoxEvent>, 1);
    controller.abort();
    await expect(turn.next()).rejects.toMatchObject({ name: "AbortError" });
    await backend.stop?.(session, "aborted");
  });

  it("leaves a box that was given to it alone, and goes on with its conversation", async () => {
    const box = await client.create({ profile });
    for (const [prompt, said] of [
      ["remember one", ""],
      ["recall", "one"],
    ] as const) {
      const backend = createBoxBackend({ box });
      await backend.start?.({ prompt }, toContext());
      expect(textIn(await events(backend.stream({ prompt }, toContext())))).toBe(said);
      await backend.stop?.(session, "completed");
    }
    expect((await client.attach(box.id))?.id).toBe(box.id);
  });

  describe("after a crash", () => {
    const prompt = "say abc\ngate go\nsay def";

    /** A run whose process is gone after its first event: nobody has called `stop`. */
    async function crash(): Promise<{ resumeToken: string; first: BoxEvent }> {
      const backend = createBoxBackend({ client, profile });
      const { resumeToken = "" } = (await backend.start?.({ prompt }, toContext())) ?? {};
      const turn = backend.stream({ prompt }, toContext())[Symbol.asyncIterator]();
      const [first] = await take(turn as AsyncIterator<BoxEvent>, 1);
      await (await client.attach(resumeToken.split("/")[0] as string))?.writeFile("go", "");
      return { resumeToken, first: first as BoxEvent };
    }

    it("B5: goes on inside the turn, after what is stored", async () => {
      const { resumeToken, first } = await crash();
      const context = toContext({ resumeToken, history: toHistory(prompt, [first]) });
      const backend = createBoxBackend({ client, profile });
      expect(await backend.resume?.(session, { prompt }, context)).toEqual({ resumeToken });
      const rest = await events(backend.stream({ prompt }, context));
      expect(rest.map((event) => event.turn?.seq)).toEqual([2, 3]);
      expect(textIn(rest)).toBe("def");
    });

    it("B5: takes up a delta of which the redactor had held back the end", async () => {
      const { resumeToken, first } = await crash();
      const stored = { ...first, text: "ab", turn: { ...first.turn, offset: 2 } } as BoxEvent;
      const context = toContext({ resumeToken, history: toHistory(prompt, [stored]) });
      const backend = createBoxBackend({ client, profile });
      await backend.resume?.(session, { prompt }, context);
      const rest = await events(backend.stream({ prompt }, context));
      expect(textIn(rest)).toBe("cdef");
      expect(rest[0]?.turn?.seq).toBe(1);
    });

    it("sends the prompt where it was never sent", async () => {
      const lost = createBoxBackend({ client, profile });
      const { resumeToken = "" } = (await lost.start?.({ prompt: "say one" }, toContext())) ?? {};
      const context = toContext({ resumeToken, history: toHistory("say one", []) });
      const backend = createBoxBackend({ client, profile });
      await backend.resume?.(session, { prompt: "say one" }, context);
      const all = await events(backend.stream({ prompt: "say one" }, context));
      expect(textIn(all)).toBe("one");
      expect(all[0]?.turn?.id).toBe(resumeToken.split("/")[1]);
    });

    it("prompts the same conversation with another prompt", async () => {
      const { resumeToken, first } = await crash();
      const context = toContext({ resumeToken, history: toHistory(prompt, [first]) });
      const backend = createBoxBackend({ client, profile });
      await backend.resume?.(session, { prompt: "say other" }, context);
      expect(textIn(await events(backend.stream({ prompt: "say other" }, context)))).toBe("other");
    });

    it("prompts a new box where the old one is gone", async () => {
      const { resumeToken, first } = await crash();
      await (await client.attach(resumeToken.split("/")[0] as string))?.delete();
      const context = toContext({ resumeToken, history: toHistory("say one", [first]) });
      const backend = createBoxBackend({ client, profile });
      expect((await backend.resume?.(session, { prompt: "say one" }, context))?.resumeToken).not.toBe(resumeToken);
      expect(textIn(await events(backend.stream({ prompt: "say one" }, context)))).toBe("one");
    });
  });
});
