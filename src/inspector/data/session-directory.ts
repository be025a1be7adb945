import type { StoredEvent } from "../../event/event.ts";
import type { Session } from "../../store/session-store.ts";
import { describeTask } from "../../view/describe-task.ts";
import { toPlainLine } from "../../view/plain-text.ts";
import { connection } from "./connection.ts";
import { Observable } from "./observable.ts";
import { followStream, getJson, ServerProblem } from "./server.ts";

const PAGE = 200;
const MAX_TITLE = 300;

interface SessionPage {
  readonly sessions: readonly Session[];
  readonly next?: string;
}

/** All sessions that the page knows: the newest, live, and older ones as they are asked for. */
export class SessionDirectory extends Observable {
  readonly #sessions = new Map<string, Session>();
  readonly #titles = new Map<string, string>();
  readonly #over = new AbortController();
  #next: string | undefined;
  #isLoadingMore = false;
  /** True once the list was there for the first time. */
  isLoaded = false;
  problem: ServerProblem | undefined;
  /** Rises with every change. */
  version = 0;

  constructor() {
    super();
    void this.#loadPage();
    void followStream({
      path: () => "/api/sessions/changes",
      onFrames: (frames) => {
        for (const { data } of frames) this.#apply(JSON.parse(data) as { changed: Session[]; removed: string[] });
      },
      onConnection: (isOpen) => connection.tell(this, isOpen),
      onProblem: (problem) => this.#fail(problem),
      signal: this.#over.signal,
    });
  }

  /** Newest first. */
  get sessions(): Session[] {
    return [...this.#sessions.values()].sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
  }

  get hasMore(): boolean {
    return this.#next !== undefined;
  }

  get(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  /** Asks for a session that no page of the list had. */
  async fetch(id: string): Promise<void> {
    if (this.#sessions.has(id)) return;
    const session = await getJson<Session>(`/api/sessions/${encodeURIComponent(id)}`).catch(() => undefined);
    if (session !== undefined) this.#apply({ changed: [session], removed: [] });
  }

  async loadMore(): Promise<void> {
    if (this.#next !== undefined) await this.#loadPage(this.#next);
  }

  /** What a session is about: its label, else the task of its first run, which is read when it is first asked for. */
  titleOf(session: Session): string {
    const label = session.labels["title"];
    if (label !== undefined) return toPlainLine(label).slice(0, MAX_TITLE);
    const known = this.#titles.get(session.id);
    if (known !== undefined) return known;
    if (session.lastSeq === 0) return "";
    this.#titles.set(session.id, "");
    void getJson<StoredEvent[]>(`/api/sessions/${encodeURIComponent(session.id)}/events?limit=1`)
      .then(([first]) => {
        if (first?.type !== "run.started") return;
        this.#titles.set(session.id, toPlainLine(describeTask(first.task).slice(0, 4 * MAX_TITLE)).slice(0, MAX_TITLE));
        this.version++;
        this.changed();
      })
      .catch(() => this.#titles.delete(session.id));
    return "";
  }

  async #loadPage(before?: string): Promise<void> {
    if (this.#isLoadingMore) return;
    this.#isLoadingMore = true;
    try {
      const cursor = before === undefined ? "" : `&before=${encodeURIComponent(before)}`;
      const page = await getJson<SessionPage>(`/api/sessions?limit=${PAGE}${cursor}`);
      this.#next = page.next;
      this.problem = undefined;
      this.#apply({ changed: page.sessions, removed: [] });
    } catch (error) {
      if (error instanceof ServerProblem && error.status !== 0) this.#fail(error);
    } finally {
      this.#isLoadingMore = false;
    }
  }

  #apply({ changed, removed }: { changed: readonly Session[]; removed: readonly string[] }): void {
    for (const session of changed) this.#sessions.set(session.id, session);
    for (const id of removed) this.#sessions.delete(id);
    this.isLoaded = true;
    this.version++;
    this.changed();
  }

  #fail(problem: ServerProblem): void {
    if (problem.status === 401) connection.refuse(problem);
    this.problem = problem;
    this.changed();
  }
}

export const directory = new SessionDirectory();
