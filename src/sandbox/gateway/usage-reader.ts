import { StringDecoder } from "node:string_decoder";
import type { Usage } from "../../event/event.ts";
import type { CallKind } from "./model-api.ts";

/** An answer that is not a stream is parsed whole; one that is larger is passed on unmetered. */
const MAX_BODY = 32 * 1024 * 1024;
const MAX_LINE = 8 * 1024 * 1024;

export interface ModelReport {
  readonly model?: string;
  readonly usage: Usage;
  /** A stream that said in its own words that the call failed. */
  readonly error?: string;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads what a call took out of its answer as it passes by, for each API in its own words. Nothing is counted here: what the provider does not
 * report stays unknown (L10).
 */
export class UsageReader {
  readonly #kind: CallKind;
  readonly #isStream: boolean;
  readonly #decoder = new StringDecoder("utf8");
  #text = "";
  #isTooLong = false;
  #model: string | undefined;
  #usage: Usage = {};
  #error: string | undefined;

  constructor(kind: CallKind, contentType: string) {
    this.#kind = kind;
    this.#isStream = /event-stream/i.test(contentType);
  }

  push(chunk: Buffer): void {
    if (this.#isTooLong && !this.#isStream) return;
    this.#text += this.#decoder.write(chunk);
    if (!this.#isStream) {
      if (this.#text.length > MAX_BODY) [this.#isTooLong, this.#text] = [true, ""];
      return;
    }
    let start = 0;
    for (let end = this.#text.indexOf("\n"); end !== -1; end = this.#text.indexOf("\n", start)) {
      if (!this.#isTooLong) this.#line(this.#text.slice(start, end));
      this.#isTooLong = false;
      start = end + 1;
    }
    this.#text = this.#text.slice(start);
    if (this.#text.length > MAX_LINE) [this.#isTooLong, this.#text] = [true, ""];
  }

  /** What was reported up to here. */
  end(): ModelReport {
    this.#text += this.#decoder.end();
    if (this.#isStream) this.#line(this.#text);
    else if (!this.#isTooLong) this.#take(this.#text);
    this.#text = "";
    return {
      ...(this.#model === undefined ? {} : { model: this.#model }),
      usage: this.#usage,
      ...(this.#error === undefined ? {} : { error: this.#error }),
    };
  }

  #line(line: string): void {
    // Most lines of a stream are deltas, of which nothing is of interest here.
    if (line.startsWith("data:") && /usage|"error"/i.test(line)) this.#take(line.slice(5));
  }

  #take(text: string): void {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return;
    }
    // Gemini answers with a list where it is asked for a stream without saying how.
    for (const item of Array.isArray(value) ? value : [value]) {
      if (typeof item === "object" && item !== null) this.#object(item as Fields);
    }
  }

  #object(value: Fields): void {
    if (this.#kind === "chat") this.#chat(value);
    else if (this.#kind === "responses") this.#responses(value);
    else if (this.#kind === "messages") this.#messages(value);
    else if (this.#kind === "gemini") this.#gemini(value);
    const error = toFields(value["error"]) ?? toFields(toFields(value["response"])?.["error"]);
    if (error !== undefined) this.#error = String(error["message"] ?? error["type"] ?? "it said no more");
  }

  #chat(value: Fields): void {
    this.#name(value["model"]);
    const usage = toFields(value["usage"]);
    if (usage === undefined) return;
    this.#add({
      inputTokens: usage["prompt_tokens"],
      outputTokens: usage["completion_tokens"],
      cachedTokens: toFields(usage["prompt_tokens_details"])?.["cached_tokens"],
      costUsd: usage["cost"],
    });
  }

  #responses(value: Fields): void {
    const response = toFields(value["response"]) ?? value;
    this.#name(response["model"]);
    const usage = toFields(response["usage"]);
    if (usage === undefined) return;
    this.#add({
      inputTokens: usage["input_tokens"],
      outputTokens: usage["output_tokens"],
      cachedTokens: toFields(usage["input_tokens_details"])?.["cached_tokens"],
      costUsd: usage["cost"],
    });
  }

  /** Of a stream the first event has the input, the last ones the output so far. Tokens of a cache are counted apart there, and are input here. */
  #messages(value: Fields): void {
    const message = toFields(value["message"]);
    this.#name(message?.["model"] ?? value["model"]);
    const usage = toFields(message?.["usage"] ?? value["usage"]);
    if (usage === undefined) return;
    const fresh = toCount(usage["input_tokens"]);
    const read = toCount(usage["cache_read_input_tokens"]);
    const written = toCount(usage["cache_creation_input_tokens"]);
    this.#add({
      inputTokens: fresh === undefined ? undefined : fresh + (read ?? 0) + (written ?? 0),
      outputTokens: usage["output_tokens"],
      cachedTokens: read,
    });
  }

  #gemini(value: Fields): void {
    this.#name(value["modelVersion"]);
    const usage = toFields(value["usageMetadata"]);
    if (usage === undefined) return;
    const said = toCount(usage["candidatesTokenCount"]);
    const thought = toCount(usage["thoughtsTokenCount"]);
    this.#add({
      inputTokens: usage["promptTokenCount"],
      outputTokens: said === undefined && thought === undefined ? undefined : (said ?? 0) + (thought ?? 0),
      cachedTokens: usage["cachedContentTokenCount"],
    });
  }

  /** Every report is of the whole call so far, so a later one stands in place of an earlier. */
  #add(fields: { readonly [Field in keyof Usage]: unknown }): void {
    for (const [name, value] of Object.entries(fields)) {
      const count = toCount(value);
      if (count !== undefined) this.#usage = { ...this.#usage, [name]: count };
    }
  }

  #name(model: unknown): void {
    if (typeof model === "string" && model !== "") this.#model = model;
  }
}

function toFields(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

function toCount(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined;
}
