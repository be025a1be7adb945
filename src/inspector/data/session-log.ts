import type { RunStatus, StoredEvent } from "../../event/event.ts";
import { BlockGrouper } from "../../view/event-blocks.ts";
import { connection } from "./connection.ts";
import { Observable } from "./observable.ts";
import { followStream, request, ServerProblem } from "./server.ts";

/** The first page is small, so that there is something to see at once; the others are as large as the server gives them. */
const FIRST_PAGE = 1000;
const PAGE = 10_000;
const RETRY_MS = 1000;

/** One session's events: the past, page by page, then live. An event is in it once, whatever the connection does. */
export class SessionLog extends Observable {
  readonly sessionId: string;
  readonly events: StoredEvent[] = [];
  readonly grouper = new BlockGrouper();
  /** How far the log went when it was asked last. */
  knownSeq = 0;
  /** True once all of the past is there. */
  isLoaded = false;
  /** Of the last run, as far as the log is there. */
  status: "created" | "running" | RunStatus = "created";
  problem: ServerProblem | undefined;
  readonly #over = new AbortController();
  readonly #isLive: boolean;

  constructor(sessionId: string, { live = true } = {}) {
    super();
    this.sessionId = sessionId;
    this.#isLive = live;
    void this.#run();
  }

  get lastSeq(): number {
    return this.events.at(-1)?.seq ?? 0;
  }

  close(): void {
    this.#over.abort();
    connection.tell(this, true);
  }

  /** Reads what came since, once; for a log that is not live. */
  async refresh(): Promise<void> {
    await this.#load();
  }

  async #run(): Promise<void> {
    const { signal } = this.#over;
    while (!signal.aborted && !this.isLoaded && this.problem === undefined) {
      await this.#load();
      if (!this.isLoaded && this.problem === undefined) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    if (!this.#isLive || this.problem !== undefined || signal.aborted) return;
    await followStream({
      path: () => `/api/sessions/${encodeURIComponent(this.sessionId)}/live?after=${this.lastSeq}`,
      onFrames: (frames) => this.#add(frames.map(({ data }) => JSON.parse(data) as StoredEvent)),
      onConnection: (isOpen) => connection.tell(this, isOpen),
      onProblem: (problem) => this.#fail(problem),
      signal,
    });
  }

  async #load(): Promise<void> {
    try {
      for (;;) {
        const limit = this.lastSeq === 0 ? FIRST_PAGE : PAGE;
        const path = `/api/sessions/${encodeURIComponent(this.sessionId)}/events?after=${this.lastSeq}&limit=${limit}`;
        const response = await request(path, { signal: this.#over.signal });
        this.knownSeq = Number(response.headers.get("skein-last-seq") ?? 0);
        const events = (await response.json()) as StoredEvent[];
        this.#add(events);
        if (events.length < limit || this.lastSeq >= this.knownSeq) break;
        // What was asked of the page meanwhile comes first.
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      this.isLoaded = true;
      connection.tell(this, true);
    } catch (error) {
      if (this.#over.signal.aborted) return;
      if (error instanceof ServerProblem && error.status !== 0 && error.status < 500) this.#fail(error);
      else connection.tell(this, false);
    }
    this.changed();
  }

  #add(events: readonly StoredEvent[]): void {
    for (const event of events) {
      if (event.seq <= this.lastSeq) continue;
      this.events.push(event);
      this.grouper.add(event);
      if (event.type === "run.started") this.status = "running";
      else if (event.type === "final") this.status = event.status;
    }
    this.knownSeq = Math.max(this.knownSeq, this.lastSeq);
    this.changed();
  }

  #fail(problem: ServerProblem): void {
    if (problem.status === 401) connection.refuse(problem);
    this.problem = problem;
    connection.tell(this, true);
    this.changed();
  }
}
