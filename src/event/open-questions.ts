import type { StoredEvent, StoredEventOf } from "./event.ts";

type Question = StoredEventOf<"permission.requested">;

/** The questions of a session that nobody has answered, from its events as they come. */
export class OpenQuestions {
  readonly #open = new Map<string, Question>();
  /** Asked in a run that was interrupted: the box that asked may wait on, for a run that goes on in the same turn. */
  #left: readonly Question[] = [];

  add(event: StoredEvent): void {
    // The box is at another turn, so what an earlier one asked is asked no more.
    for (const { requestId, turn } of this.#open.values())
      if (turn !== undefined && event.turn !== undefined && turn.id !== event.turn.id) this.#open.delete(requestId);
    if (event.type === "permission.requested") this.#open.set(event.requestId, event);
    else if (event.type === "permission.answered") this.#open.delete(event.requestId);
    else if (event.type === "final") {
      // A run that has ended waits for nothing.
      this.#left = event.status === "interrupted" ? this.list().filter(({ turn }) => turn !== undefined) : [];
      this.#open.clear();
    } else if (event.type === "run.started") {
      this.#open.clear();
      for (const question of this.#left) this.#open.set(question.requestId, question);
      this.#left = [];
    }
  }

  /** Oldest first. */
  list(): Question[] {
    return [...this.#open.values()];
  }
}
