import type { StoredEvent, StoredEventOf } from "../event/event.ts";

/** The questions of a session that nobody has answered, from its events as they come. */
export class OpenQuestions {
  readonly #open = new Map<string, StoredEventOf<"permission.requested">>();

  add(event: StoredEvent): void {
    if (event.type === "permission.requested") this.#open.set(event.requestId, event);
    else if (event.type === "permission.answered") this.#open.delete(event.requestId);
    // A run that has ended waits for nothing.
    else if (event.type === "run.started" || event.type === "final") this.#open.clear();
  }

  /** Oldest first. */
  list(): StoredEventOf<"permission.requested">[] {
    return [...this.#open.values()];
  }
}
