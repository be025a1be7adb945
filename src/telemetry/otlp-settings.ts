import { ValidationError } from "../errors.ts";
import type { ResourceAttributes } from "./otlp-json.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where spans go over HTTP, and what is said with them. */
export interface OtlpSettings {
  readonly url: string;
  /** May hold keys: never printed. */
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly resource: ResourceAttributes;
  readonly content: boolean;
}

/**
 * The standard variables of OpenTelemetry's exporters; undefined where they name no collector, or switch tracing off.
 * JSON over HTTP is what is spoken, which collectors take where they take `http/protobuf`.
 *
 * @throws ValidationError `invalid_option`
 */
export function readOtlpSettings(env: Environment): OtlpSettings | undefined {
  const read = (name: string): string | undefined => {
    const value = env[name]?.trim();
    return value === "" ? undefined : value;
  };
  const url = toUrl(read("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), read("OTEL_EXPORTER_OTLP_ENDPOINT"));
  const exporter = read("OTEL_TRACES_EXPORTER");
  if (url === undefined || read("OTEL_SDK_DISABLED") === "true" || exporter === "none") return undefined;
  const protocol = read("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") ?? read("OTEL_EXPORTER_OTLP_PROTOCOL");
  if (protocol === "grpc")
    throw new ValidationError(
      "invalid_option",
      "Spans are sent as JSON over HTTP, not by gRPC: set OTEL_EXPORTER_OTLP_PROTOCOL=http/json and name the collector's HTTP port, 4318 by default.",
    );
  const timeoutMs = Number(read("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT") ?? read("OTEL_EXPORTER_OTLP_TIMEOUT") ?? 10_000);
  return {
    url,
    headers: {
      ...parsePairs("OTEL_EXPORTER_OTLP_HEADERS", read("OTEL_EXPORTER_OTLP_HEADERS")),
      ...parsePairs("OTEL_EXPORTER_OTLP_TRACES_HEADERS", read("OTEL_EXPORTER_OTLP_TRACES_HEADERS")),
    },
    timeoutMs: Number.isFinite(timeoutMs) && timeoutMs > 0 ? timeoutMs : 10_000,
    resource: readResource(env),
    content: read("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT") === "true",
  };
}

/** @throws ValidationError `invalid_option` */
export function readResource(env: Environment): ResourceAttributes {
  const name = env["OTEL_SERVICE_NAME"]?.trim() ?? "";
  return {
    ...parsePairs("OTEL_RESOURCE_ATTRIBUTES", env["OTEL_RESOURCE_ATTRIBUTES"]),
    ...(name === "" ? {} : { "service.name": name }),
  };
}

function toUrl(forTraces: string | undefined, forAll: string | undefined): string | undefined {
  const text = forTraces ?? (forAll === undefined ? undefined : `${forAll.replace(/\/+$/, "")}/v1/traces`);
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") return text;
  const name = forTraces === undefined ? "OTEL_EXPORTER_OTLP_ENDPOINT" : "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
  throw new ValidationError("invalid_option", `${name} is no http or https URL; one looks like http://localhost:4318.`);
}

/** `a=1,b=2`, percent-encoded. The values stay out of the message: they may be keys. */
function parsePairs(name: string, text: string | undefined): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const part of (text ?? "").split(",")) {
    if (part.trim() === "") continue;
    const equals = part.indexOf("=");
    const key = part.slice(0, Math.max(equals, 0)).trim();
    try {
      if (key === "") throw new Error("no name");
      pairs[decodeURIComponent(key)] = decodeURIComponent(part.slice(equals + 1).trim());
    } catch {
      throw new ValidationError("invalid_option", `${name} is no list of name=value, separated by commas.`);
    }
  }
  return pairs;
}
