import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { timingSafeEqual } from "node:crypto";
import { AbortError } from "../../errors.ts";
import type { BackendEventBody, Usage } from "../../event/event.ts";
import type { ModelPrices } from "../../event/model-price.ts";
import { onAbort, toAbortError } from "../../internal/abort.ts";
import type { CallAllowance, GatewayBox, GatewayLine } from "../box-gateway.ts";

/** One request that passes through. */
export interface GatewayCall {
  /** Fires when the box has gone away from it, or its work was aborted. */
  readonly signal: AbortSignal;
  /** What models cost its box. */
  readonly prices: ModelPrices;
  /** Why nothing may pass now. */
  refusal(): Error | undefined;
  /** Why the turn may ask no model any more. */
  modelRefusal(): Error | undefined;
  /** What a call of a model took, told to whoever allowed it. */
  spend(usage: Usage, isWhole: boolean): void;
  report(body: BackendEventBody): void;
  /** How a call of a model ended; undefined: well. The last one that was begun decides what is said of the turn. */
  settle(failure: Error | undefined): void;
}

/** More than this at once from one box is more than any agent has in hand. */
const MAX_CONNECTIONS = 128;

/** What the gateway knows of one box. */
export class BoxLine implements GatewayLine {
  readonly #box: GatewayBox;
  readonly #serve: (connection: Duplex) => void;
  /** Each with the number of requests that are under way on it. */
  readonly #connections = new Map<Duplex, number>();
  #calls = new AbortController();
  /** Fires when nothing will ever pass again. */
  readonly #end = new AbortController();
  #refusal: Error | undefined;
  #allowance: CallAllowance | undefined;
  #events: BackendEventBody[] = [];
  #wake: (() => void) | undefined;
  #begun = 0;
  #last: { readonly number: number; readonly failure: Error | undefined } | undefined;
  readonly #off: () => void;

  constructor(box: GatewayBox, signal: AbortSignal | undefined, serve: (connection: Duplex) => void) {
    this.#box = box;
    this.#serve = serve;
    this.#off = onAbort(signal, () => {
      this.#refusal = toAbortError(signal as AbortSignal);
      this.#calls.abort(this.#refusal);
      this.#end.abort(this.#refusal);
    });
  }

  accept(connection: Duplex): void {
    if (this.#connections.size >= MAX_CONNECTIONS) return void connection.destroy();
    this.#connections.set(connection, 0);
    connection.once("close", () => this.#connections.delete(connection));
    connection.on("error", () => connection.destroy());
    this.#serve(connection);
  }

  /** A request came; it is over when its answer is. @param isStanding it only waits, so it is not ended with a turn, and its connection counts as idle */
  begin(response: ServerResponse, isStanding = false): GatewayCall {
    const connection = response.socket as Duplex;
    const number = ++this.#begun;
    const controller = new AbortController();
    const allowance = this.#allowance;
    const { signal } = isStanding ? this.#end : this.#calls;
    const off = onAbort(signal, () => controller.abort(signal.reason));
    const weight = isStanding ? 0 : 1;
    this.#count(connection, weight);
    response.once("close", () => {
      off();
      this.#count(connection, -weight);
      if (!response.writableFinished) controller.abort(new AbortError("The box has gone away from the call."));
    });
    return {
      signal: controller.signal,
      prices: this.#box.prices ?? {},
      refusal: () => this.#refusal,
      modelRefusal: () => allowance?.refusal(),
      spend: (usage, isWhole) => allowance?.spend(usage, isWhole),
      report: (body) => this.#report(body),
      settle: (failure) => {
        if (this.#last === undefined || number >= this.#last.number) this.#last = { number, failure };
      },
    };
  }

  /** True where the request carries what the box was given as its key, wherever its API has it. */
  isAllowed({ headers, url = "" }: IncomingMessage): boolean {
    const { token } = this.#box;
    if (token === undefined) return true;
    const basic = /^basic (.+)$/i.exec(headers["proxy-authorization"] ?? "")?.[1];
    const candidates = [
      headers.authorization?.replace(/^bearer /i, ""),
      headers["x-api-key"],
      headers["x-goog-api-key"],
      basic === undefined ? undefined : Buffer.from(basic, "base64").toString().split(":")[1],
      new URLSearchParams(url.split("?")[1]).get("key"),
    ];
    return candidates.some((candidate) => typeof candidate === "string" && isSame(candidate, token));
  }

  get isRefusing(): boolean {
    return this.#refusal !== undefined;
  }

  beginTurn(allowance?: CallAllowance): void {
    this.#last = undefined;
    this.#allowance = allowance;
    if (!(this.#refusal instanceof TurnOverError)) return;
    this.#refusal = undefined;
    this.#calls = new AbortController();
  }

  refuseCalls(): void {
    if (this.#refusal !== undefined) return;
    this.#refusal = new TurnOverError("The turn was cancelled, so its agent may call no model any more.");
    this.#calls.abort(this.#refusal);
  }

  take(): readonly BackendEventBody[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  onNews(listener: () => void): void {
    this.#wake = listener;
    if (this.#events.length > 0) this.#ring();
  }

  failure(): Error | undefined {
    return this.#last?.failure;
  }

  closeIdle(): void {
    for (const [connection, requests] of this.#connections) if (requests === 0) connection.destroy();
  }

  close(): void {
    this.#off();
    for (const connection of this.#connections.keys()) connection.destroy();
    const closed = new AbortError("The gateway was closed.");
    this.#calls.abort(closed);
    this.#end.abort(closed);
  }

  #count(connection: Duplex, step: number): void {
    const count = this.#connections.get(connection);
    if (count !== undefined) this.#connections.set(connection, count + step);
  }

  #report(body: BackendEventBody): void {
    this.#events.push(body);
    this.#ring();
  }

  #ring(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

class TurnOverError extends AbortError {}

function isSame(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
