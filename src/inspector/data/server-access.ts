import { connection } from "./connection.ts";
import { Observable } from "./observable.ts";
import { getJson } from "./server.ts";

/** A task or loop that the server starts by its name. */
export interface Offer {
  readonly name: string;
  readonly kind: "task" | "loop";
  readonly description?: string;
}

/** What the caller may do here. Until the server has said so: nothing. */
class ServerAccess extends Observable {
  mayWrite = false;
  offers: readonly Offer[] = [];
  #wasAway = false;

  constructor() {
    super();
    void this.#load();
    // A server that comes back may be another one.
    connection.subscribe(() => {
      const isAway = connection.awaySince !== undefined;
      if (this.#wasAway && !isAway) void this.#load();
      this.#wasAway = isAway;
    });
  }

  offerOf(name: string | undefined): Offer | undefined {
    return this.offers.find((offer) => offer.name === name);
  }

  async #load(): Promise<void> {
    try {
      const { scope, readOnly } = await getJson<{ scope: unknown; readOnly: boolean }>("/api/access");
      this.mayWrite = scope === "write" && !readOnly;
      this.offers = this.mayWrite ? (await getJson<{ tasks: Offer[] }>("/api/tasks")).tasks : [];
    } catch {
      // What is wrong is told by the requests for what is shown.
      this.mayWrite = false;
      this.offers = [];
    }
    this.changed();
  }
}

export const access = new ServerAccess();
