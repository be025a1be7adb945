import { Observable } from "./observable.ts";
import type { ServerProblem } from "./server.ts";

/** Whether the server is there, over all streams of the page. */
class Connection extends Observable {
  readonly #away = new Set<object>();
  #since: number | undefined;
  /** The server wants a token, or does not take this one. */
  refused: ServerProblem | undefined;

  /** Since when a stream is broken off; undefined while all are open. */
  get awaySince(): number | undefined {
    return this.#since;
  }

  /** @param stream who tells */
  tell(stream: object, isOpen: boolean): void {
    if (isOpen) this.#away.delete(stream);
    else this.#away.add(stream);
    if (isOpen) this.refused = undefined;
    this.#since = this.#away.size === 0 ? undefined : (this.#since ?? Date.now());
    this.changed();
  }

  refuse(problem: ServerProblem): void {
    this.refused = problem;
    this.changed();
  }
}

export const connection = new Connection();
