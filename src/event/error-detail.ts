import { SkeinError } from "../errors.ts";
import type { ErrorDetail } from "./event.ts";

const MAX_BODY = 2048;
const MAX_STACK = 4096;
const MAX_DEPTH = 5;

const KINDS: ReadonlySet<string> = new Set(["transport", "backend", "sandbox", "store", "validation"]);

/** Network failures by the codes that Node gives them. */
const TRANSPORT_CODES = /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_|EHOSTUNREACH|ENETUNREACH|UND_ERR)/;

/** The start of `text` that fits into `maxBytes` of UTF-8, with a mark where something was cut. */
function cut(text: string, maxBytes: number): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= maxBytes) return text;
  const kept = new TextDecoder().decode(bytes.subarray(0, maxBytes - 6));
  return `${kept.replace(/\uFFFD+$/, "")}…`;
}

function readText(source: Record<string, unknown>, ...names: string[]): string | undefined {
  for (const name of names) if (typeof source[name] === "string") return source[name];
  return undefined;
}

/**
 * Turns whatever was thrown into the stored form. It never throws itself: getters that throw, proxies and cycles
 * of causes end in a plain description.
 *
 * @param fallback the kind where the error does not say one
 */
export function toErrorDetail(thrown: unknown, fallback: ErrorDetail["kind"] = "backend"): ErrorDetail {
  try {
    return describe(thrown, fallback, 0);
  } catch {
    return { name: "Error", message: "An error that cannot be described.", kind: fallback };
  }
}

function describe(thrown: unknown, fallback: ErrorDetail["kind"], depth: number): ErrorDetail {
  if (typeof thrown !== "object" || thrown === null) {
    return { name: "Error", message: cut(String(thrown), MAX_BODY), kind: fallback };
  }
  const source = thrown as Record<string, unknown>;
  const code = readText(source, "code") ?? (typeof source["code"] === "number" ? String(source["code"]) : undefined);
  const status = [source["status"], source["statusCode"]].find((value) => typeof value === "number");
  const body = readText(source, "responseBody", "body");
  const stack = readText(source, "stack");
  const retryable = [source["retryable"], source["isRetryable"]].find((value) => typeof value === "boolean");
  const cause = source["cause"];
  const kind =
    SkeinError.is(thrown) && KINDS.has(thrown.kind)
      ? (thrown.kind as ErrorDetail["kind"])
      : code !== undefined && TRANSPORT_CODES.test(code)
        ? "transport"
        : fallback;
  return {
    name: readText(source, "name") ?? "Error",
    message: cut(readText(source, "message") ?? safeJson(thrown), MAX_BODY),
    ...(code === undefined ? {} : { code }),
    kind,
    ...(retryable === undefined ? {} : { retryable: retryable }),
    ...(status === undefined ? {} : { status: status }),
    ...(body === undefined ? {} : { body: cut(body, MAX_BODY) }),
    ...(stack === undefined ? {} : { stack: cut(stack, MAX_STACK) }),
    ...(cause === undefined || depth >= MAX_DEPTH ? {} : { cause: describe(cause, fallback, depth + 1) }),
  };
}

function safeJson(value: object): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}
