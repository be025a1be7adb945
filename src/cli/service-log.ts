import type { JsonValue } from "../event/event.ts";
import { createRedactor } from "../event/redaction/redactor.ts";
import { toPlainLine } from "../view/plain-text.ts";
import type { CommandLine } from "./common-options.ts";

export const LOG_FORMATS = ["text", "json"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export type LogLevel = "info" | "warn" | "error";

/** What programs read of a line, beside its sentence: ids, counts, codes. */
export type LogFields = Readonly<Record<string, JsonValue | undefined>>;

/** What a command that runs for long says of itself: a sentence for people, or one line of JSON for programs. */
export interface ServiceLog {
  /** `event` is a word for programs that never changes, such as `job.ended`. */
  say(level: LogLevel, event: string, message: string, fields?: LogFields): void;
}

export interface ServiceLogOptions {
  readonly format: LogFormat;
  /** Beside those of the environment: what stands in options, such as the URL of a database. */
  readonly secrets?: readonly string[];
}

/** A user's name and password in a URL of any kind. */
const CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi;
const MAX_STACK = 4096;

/**
 * No secret leaves by a log: values of the environment whose names look like one, those that are given, well-known shapes of keys, and the
 * credentials of URLs are replaced, in sentences and in fields. JSON goes to stdout, one object a line; text as the command always said it.
 */
export function createServiceLog(
  { terminal, env, now }: Pick<CommandLine, "terminal" | "env" | "now">,
  { format, secrets = [] }: ServiceLogOptions,
): ServiceLog {
  const redactor = createRedactor({ env, secrets: [...secrets, ...readPasswords(env, secrets)] });
  const redact = (value: JsonValue): JsonValue => {
    const [body] = redactor.begin().push({ type: "custom", name: "log", data: value });
    return body?.type === "custom" ? body.data : null;
  };
  const clean = (text: string): string => String(redact(toPlainLine(text).replaceAll(CREDENTIALS, "$1[redacted]@")));
  return {
    say(level, event, message, fields = {}) {
      const sentence = clean(message);
      if (format === "text") {
        if (level === "info") terminal.print(sentence);
        else
          terminal.warn(level === "error" ? terminal.errorStyle.red(sentence) : terminal.errorStyle.yellow(sentence));
        return;
      }
      const known = Object.entries(fields).filter((field): field is [string, JsonValue] => field[1] !== undefined);
      const values = known.map(([name, value]) => [name, typeof value === "string" ? clean(value) : redact(value)]);
      terminal.printJson(
        { time: new Date(now()).toISOString(), level, event, message: sentence, ...Object.fromEntries(values) },
        "line",
      );
    },
  };
}

/** What a log says of an error: its code and its message; its stack only where nobody expected it. */
export function toErrorFields(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: String(error) };
  const { code } = error as { readonly code?: unknown };
  return typeof code === "string"
    ? { error: error.message, code }
    : { error: error.message, stack: error.stack?.slice(0, MAX_STACK) };
}

/** The passwords in URLs of the environment and of options, as they stand there and as they are meant. */
function readPasswords(env: CommandLine["env"], texts: readonly string[]): string[] {
  const found: string[] = [];
  for (const text of [...Object.values(env), ...texts]) {
    if (text === undefined || !text.includes("://") || !URL.canParse(text)) continue;
    const { password } = new URL(text);
    if (password !== "") found.push(password, decodeOrKeep(password));
  }
  return found;
}

function decodeOrKeep(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
