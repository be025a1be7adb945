import type { ErrorDetail, EventBody, Usage } from "./event.ts";
import { LastMessageBuffer } from "./last-message.ts";
import type { LastMessage } from "./last-message.ts";
import { addUsage } from "./usage.ts";

/**
 * What `final` says of a run, gathered event by event in bounded memory. The stream and the recovery of an interrupted run
 * both use it, so that the two write the same `final` from the same events.
 */
export class RunSummary {
  #usage: Usage = {};
  #failure: ErrorDetail | undefined;
  readonly #message = new LastMessageBuffer();

  add(body: EventBody): void {
    switch (body.type) {
      case "text.delta":
        this.#message.append(body.text);
        break;
      case "tool.started":
        this.#message.clear();
        break;
      case "usage.reported":
        this.#usage = addUsage(this.#usage, body);
        break;
      case "iteration.ended":
        this.#usage = addUsage(this.#usage, body.usage);
        break;
      case "backend.failed":
        this.#failure ??= body.error;
        break;
      default:
        break;
    }
  }

  get usage(): Usage {
    return this.#usage;
  }

  /** The run's own failure as it was stored before clean-up began (L3). */
  get failure(): ErrorDetail | undefined {
    return this.#failure;
  }

  lastMessage(): LastMessage {
    return this.#message.value();
  }
}
