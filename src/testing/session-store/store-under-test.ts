import { afterEach } from "vitest";
import type { StoredEvent } from "../../event/event.ts";
import type {
  AppendBody,
  OpenStoreOptions,
  SessionStore,
  SessionWriter,
  StoreCapabilities,
} from "../../store/session-store.ts";

/** The store that the kit tries. */
export interface SessionStoreKitOptions {
  /** Stands before the titles. */
  readonly name: string;
  /** Opens a store for writing that holds nothing yet; another one at each call. */
  open(options?: OpenStoreOptions): Promise<SessionStore>;
  /**
   * Opens the same sessions again, as another process would, whether `store` is still open or closed.
   * Absent: nobody can, and what needs it is left out.
   */
  reopen?(store: SessionStore, options?: OpenStoreOptions): Promise<SessionStore>;
  /** What the store must say of itself. */
  readonly capabilities?: Partial<StoreCapabilities>;
}

/** Opens stores for one section, and closes them after each test. */
export class StoreUnderTest {
  readonly #kit: SessionStoreKitOptions;
  readonly #open: SessionStore[] = [];

  constructor(kit: SessionStoreKitOptions) {
    this.#kit = kit;
    afterEach(async () => {
      await Promise.all(this.#open.splice(0).map((store) => store.close()));
    });
  }

  get canReopen(): boolean {
    return this.#kit.reopen !== undefined;
  }

  async open(options?: OpenStoreOptions): Promise<SessionStore> {
    return this.#keep(await this.#kit.open(options));
  }

  async reopen(store: SessionStore, options?: OpenStoreOptions): Promise<SessionStore> {
    if (this.#kit.reopen === undefined) throw new Error("This store cannot be opened again.");
    return this.#keep(await this.#kit.reopen(store, options));
  }

  #keep(store: SessionStore): SessionStore {
    this.#open.push(store);
    return store;
  }
}

export const RUN_STARTED: AppendBody = { type: "run.started", kind: "task", task: "say hello" };
export const FINAL: AppendBody = { type: "final", status: "completed", reason: "completed", usage: {}, durationMs: 1 };

export function delta(text: string): AppendBody {
  return { type: "text.delta", text };
}

/** A new session with a writer that has begun a run. */
export async function beginRun(store: SessionStore, id = "session"): Promise<SessionWriter> {
  await store.create({ id, kind: "task" });
  const writer = await store.openWriter(id);
  await writer.append([RUN_STARTED]);
  return writer;
}

export async function readAll(events: AsyncIterable<StoredEvent>): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

/** The log as the bytes that a file of it would have. */
export async function readLines(events: AsyncIterable<StoredEvent>): Promise<string[]> {
  return (await readAll(events)).map((event) => JSON.stringify(event));
}
