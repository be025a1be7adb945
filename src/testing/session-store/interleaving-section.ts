import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { StoredEvent } from "../../event/event.ts";
import type { SessionStore, SessionWriter } from "../../store/session-store.ts";
import { LogModel } from "./log-model.ts";
import type { ModelSession } from "./log-model.ts";
import type { SessionStoreKitOptions } from "./store-under-test.ts";
import { FINAL, RUN_STARTED, StoreUnderTest, delta, readAll } from "./store-under-test.ts";

const RUNS = Number(process.env["SKEIN_INTERLEAVINGS"] ?? 150);

type StepKind =
  | "append"
  | "pipeline"
  | "start"
  | "end"
  | "open"
  | "stale"
  | "close"
  | "recover"
  | "fork"
  | "read"
  | "tail"
  | "delete"
  | "prune";
interface Step {
  readonly kind: StepKind;
  readonly which: number;
  readonly at: number;
}

const STEPS: readonly StepKind[] = [
  "append",
  "append",
  "append",
  "pipeline",
  "pipeline",
  "start",
  "start",
  "end",
  "open",
  "stale",
  "close",
  "recover",
  "fork",
  "read",
  "tail",
  "delete",
  "prune",
];
const step: fc.Arbitrary<Step> = fc.record({ kind: fc.constantFrom(...STEPS), which: fc.nat(20), at: fc.nat(40) });

/** An event in the model's words. */
function toWords(event: StoredEvent): string {
  if (event.type === "text.delta") return `says ${event.text}`;
  return event.type === "final" ? `final ${event.reason}` : event.type;
}

/** One random history, played on the store and on the model at once. */
class Play {
  readonly #store: SessionStore;
  readonly #label: string;
  readonly #model = new LogModel();
  readonly #writers = new Map<string, SessionWriter>();
  readonly #stale: SessionWriter[] = [];
  readonly #tails: {
    readonly session: ModelSession;
    readonly after: number;
    readonly leave: AbortController;
    readonly seen: StoredEvent[];
    readonly done: Promise<unknown>;
  }[] = [];
  #pending: Promise<unknown>[] = [];
  #texts = 0;

  constructor(store: SessionStore, label: string) {
    this.#store = store;
    this.#label = label;
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const id of [`${this.#label}-a`, `${this.#label}-b`]) {
      await this.#store.create({ id, kind: "task", labels: { play: this.#label } });
      this.#model.add(id);
    }
    for (const one of steps) await this.#play(one);
    await this.#flush();
    for (const session of this.#model.alive()) await this.#compare(session, 0);
    await this.#leave();
  }

  async #play({ kind, which, at }: Step): Promise<void> {
    const alive = this.#model.alive();
    const session = alive[which % Math.max(1, alive.length)];
    if (session === undefined) return;
    const writer = this.#writers.get(session.id);
    const text = `${kind} ${this.#texts++}`;
    // Appends of the pipeline go on beside everything that only reads, and beside appends.
    const isBeside = kind === "pipeline" || kind === "append" || kind === "tail";
    if (!isBeside) await this.#flush();
    switch (kind) {
      case "append":
      case "pipeline": {
        if (writer === undefined || !session.log.includes("run.started")) return;
        const appended = writer.append([delta(text)]);
        this.#model.say(session, text);
        if (kind === "append") await appended;
        else this.#pending.push(appended);
        return;
      }
      case "start":
        if (writer === undefined || session.isRunOpen) return;
        await writer.append([RUN_STARTED]);
        return this.#model.start(session);
      case "end":
        if (writer === undefined || !session.isRunOpen) return;
        await writer.append([FINAL]);
        return this.#model.end(session, "completed");
      case "open": {
        const newer = await this.#store.openWriter(session.id);
        if (writer !== undefined) this.#stale.push(writer);
        this.#writers.set(session.id, newer);
        return this.#model.openWriter(session);
      }
      case "stale":
        for (const old of this.#stale)
          await expect(old.append([delta("stale")])).rejects.toMatchObject({ code: "fenced" });
        return;
      case "close":
        await writer?.close();
        this.#writers.delete(session.id);
        session.hasWriter = false;
        return;
      case "recover": {
        const closed = (await this.#store.recover()).map(({ sessionId }) => sessionId);
        expect(closed.filter((id) => this.#model.sessions.some((known) => known.id === id)).sort()).toEqual(
          this.#model
            .recover()
            .map(({ id }) => id)
            .sort(),
        );
        return;
      }
      case "fork": {
        if (session.log.length === 0) return;
        const atSeq = 1 + (at % session.log.length);
        const child = await this.#store.fork(session.id, { atSeq });
        this.#model.fork(session, child.id, atSeq);
        return;
      }
      case "read":
        return this.#compare(session, at % (session.log.length + 1));
      case "tail":
        return this.#tail(session, at % (session.log.length + 1));
      case "delete":
        if (this.#model.canDelete(session)) {
          await this.#store.delete(session.id);
          session.isDeleted = true;
        } else {
          await expect(this.#store.delete(session.id)).rejects.toMatchObject({
            code: expect.stringMatching(/^session_(busy|in_use)$/),
          });
        }
        return;
      case "prune": {
        const { sessions } = await this.#store.prune({ label: `play=${this.#label}` });
        expect(sessions.map(({ id }) => id).sort()).toEqual(this.#model.prune().sort());
        return;
      }
    }
  }

  async #flush(): Promise<void> {
    await Promise.all(this.#pending.splice(0));
  }

  async #compare(session: ModelSession, after: number): Promise<void> {
    const events = await readAll(this.#store.read(session.id, { after }));
    expect(events.map(toWords)).toEqual(session.log.slice(after));
    expect(events.map(({ seq, sessionId }) => `${seq} ${sessionId}`)).toEqual(
      events.map((_, index) => `${after + index + 1} ${session.id}`),
    );
    expect(await this.#store.get(session.id)).toMatchObject({ lastSeq: session.log.length });
  }

  #tail(session: ModelSession, after: number): void {
    if (this.#tails.length >= 4) return;
    const leave = new AbortController();
    const seen: StoredEvent[] = [];
    const done = (async () => {
      for await (const event of this.#store.tail(session.id, { after, signal: leave.signal })) {
        seen.push(event);
        if (seen.length === session.log.length - after && this.#isOver) leave.abort();
      }
    })().catch((error: unknown) => {
      // A session that is deleted ends its tails.
      expect(error).toMatchObject({ code: "session_unknown" });
    });
    this.#tails.push({ session, after, leave, seen, done });
  }

  #isOver = false;

  /** Every tail must come to see all that there is. */
  async #leave(): Promise<void> {
    this.#isOver = true;
    for (const { session, after, leave, seen, done } of this.#tails) {
      if (session.isDeleted || seen.length === session.log.length - after) leave.abort();
      await done;
      const seenWords = seen.map(toWords);
      if (session.isDeleted) expect(seenWords).toEqual(session.log.slice(after, after + seen.length));
      else expect(seenWords).toEqual(session.log.slice(after));
    }
    for (const writer of this.#writers.values()) await writer.close();
  }
}

/** Random histories of all that a store can do, against the simplest model of it. */
export function testInterleavings(kit: SessionStoreKitOptions): void {
  describe("interleavings", () => {
    const stores = new StoreUnderTest(kit);

    it(
      `L4, L5, L7: keeps to the model over ${RUNS} random histories`,
      { timeout: 120_000 + RUNS * 1_000 },
      async () => {
        const store = await stores.open();
        let play = 0;
        await fc.assert(
          fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
            await new Play(store, `play${play++}`).run(steps);
          }),
          { numRuns: RUNS },
        );
        expect(play).toBeGreaterThanOrEqual(RUNS);
      },
    );
  });
}
