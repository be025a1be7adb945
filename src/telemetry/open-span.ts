import type { ErrorDetail } from "../event/event.ts";
import type { AttributeValue, OpenedSpan, SpanAttributes, SpanLink, SpanMark, SpanRecord } from "./span-record.ts";

/** Texts of others are cut: a tool's name may be anything. */
const MAX_TEXT = 1024;

/** Attributes without those that are unknown, texts cut. */
export function toAttributes(values: Readonly<Record<string, AttributeValue | undefined>>): SpanAttributes {
  const attributes: Record<string, AttributeValue> = {};
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || (typeof value === "number" && !Number.isFinite(value))) continue;
    attributes[name] = typeof value === "string" ? cutText(value, MAX_TEXT) : value;
  }
  return attributes;
}

export function cutText(text: string, length: number): string {
  // Not in the middle of a surrogate pair.
  return text.length <= length ? text : text.slice(0, length).replace(/[\uD800-\uDBFF]$/, "");
}

/** What stands for an error without its message, which may be an agent's own words. */
export function toErrorType({ code, name }: Pick<ErrorDetail, "code" | "name">): string {
  return code ?? name;
}

interface SpanStart {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string | undefined;
  readonly name: string;
  readonly kind?: "internal" | "client";
  readonly startedAt: number;
  readonly attributes?: SpanAttributes;
  readonly links?: readonly SpanLink[];
}

/** A span under way: what is learned of it until it ends. */
export class OpenSpan {
  readonly opened: OpenedSpan;
  name: string;
  #attributes: Record<string, AttributeValue>;
  readonly #marks: SpanMark[] = [];
  #isError = false;

  constructor({ parentSpanId, kind = "internal", attributes = {}, links = [], ...start }: SpanStart) {
    this.opened = { ...start, kind, attributes, links, ...(parentSpanId === undefined ? {} : { parentSpanId }) };
    this.name = start.name;
    this.#attributes = { ...attributes };
  }

  set(values: Readonly<Record<string, AttributeValue | undefined>>): void {
    Object.assign(this.#attributes, toAttributes(values));
  }

  /** Content that the caller has cut itself. */
  setContent(name: string, text: string): void {
    this.#attributes[name] = text;
  }

  mark(name: string, at: number, values: Readonly<Record<string, AttributeValue | undefined>> = {}): void {
    this.#marks.push({ name, at, attributes: toAttributes(values) });
  }

  fail(errorType: string): void {
    this.#isError = true;
    this.set({ "error.type": errorType });
  }

  /** Clocks of two processes may disagree: a span never ends before it began. */
  close(at: number): SpanRecord {
    return {
      ...this.opened,
      name: this.name,
      attributes: this.#attributes,
      endedAt: Math.max(at, this.opened.startedAt),
      marks: this.#marks,
      status: this.#isError ? "error" : "unset",
    };
  }
}
