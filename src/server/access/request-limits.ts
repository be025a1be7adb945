import { ValidationError } from "../../errors.ts";
import { requireCount } from "../../internal/require-count.ts";

export interface RequestLimits {
  /** The largest body of a request in bytes. Default 1 MiB. */
  readonly bodyBytes?: number;
  /** Requests in a second for each token, on average; ten seconds' worth may come at once. Default 500. */
  readonly requestsPerSecond?: number;
  /** Streams that are open at the same time. Default 2,000. */
  readonly openStreams?: number;
}

/** What one server takes on. */
export class LimitsGuard {
  readonly bodyBytes: number;
  readonly #perSecond: number;
  readonly #openStreams: number;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();
  #open = 0;

  constructor({ bodyBytes = 1024 * 1024, requestsPerSecond = 500, openStreams = 2000 }: RequestLimits = {}) {
    this.bodyBytes = requireCount("bodyBytes", bodyBytes);
    this.#perSecond = requireCount("requestsPerSecond", requestsPerSecond);
    this.#openStreams = requireCount("openStreams", openStreams);
  }

  /** @throws ValidationError `rate_limited` */
  takeRequest(key: string, now = performance.now()): void {
    const burst = this.#perSecond * 10;
    const bucket = this.#buckets.get(key) ?? { tokens: burst, at: now };
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * this.#perSecond);
    bucket.at = now;
    this.#buckets.set(key, bucket);
    if (bucket.tokens < 1)
      throw new ValidationError(
        "rate_limited",
        `More than ${this.#perSecond} requests a second came from one caller; wait a second and go on more slowly.`,
        { retryable: true },
      );
    bucket.tokens -= 1;
  }

  /** @returns what gives the place back; @throws ValidationError `streams_exhausted` */
  openStream(): () => void {
    if (this.#open >= this.#openStreams)
      throw new ValidationError(
        "streams_exhausted",
        `The server has ${this.#openStreams} streams open, which is as many as it takes; close some, or raise limits.openStreams.`,
        { retryable: true },
      );
    this.#open += 1;
    let isOpen = true;
    return () => {
      if (isOpen) this.#open -= 1;
      isOpen = false;
    };
  }

  /** @throws ValidationError `body_too_large` */
  async readBody(request: Request): Promise<Uint8Array<ArrayBuffer>> {
    const tooLarge = (): ValidationError =>
      new ValidationError(
        "body_too_large",
        `The body is larger than ${this.bodyBytes} bytes; send less at once, or raise limits.bodyBytes.`,
      );
    if (Number(request.headers.get("content-length") ?? 0) > this.bodyBytes) throw tooLarge();
    if (request.body === null) return new Uint8Array();
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength;
      if (size > this.bodyBytes) throw tooLarge();
      chunks.push(chunk);
    }
    return new Uint8Array(Buffer.concat(chunks));
  }

  /** A JSON body; the content type must say so, which a form of another site cannot. @throws ValidationError `invalid_option`, `body_too_large` */
  async readJson(request: Request): Promise<Readonly<Record<string, unknown>>> {
    const type = request.headers.get("content-type") ?? "";
    const bytes = await this.readBody(request);
    if (bytes.byteLength === 0 && type === "") return {};
    if (!/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(type))
      throw new ValidationError(
        "invalid_option",
        `The body is JSON with the content type application/json, not ${JSON.stringify(type.slice(0, 80))}.`,
      );
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    } catch (cause) {
      throw new ValidationError("invalid_option", "The body is not JSON.", { cause });
    }
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new ValidationError("invalid_option", "The body is a JSON object.");
    return value as Record<string, unknown>;
  }
}
