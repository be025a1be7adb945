import type { WriteStream } from "node:tty";
import type { Style } from "./render/style.ts";
import { createStyle } from "./render/style.ts";

const DEFAULT_COLUMNS = 80;

/** Where the command line writes: results on stdout, everything said about them on stderr. */
export interface Terminal {
  readonly stdout: NodeJS.WriteStream;
  /** True where a person watches stdout: only then may lines be redrawn. */
  readonly isTty: boolean;
  /** For stdout. */
  readonly style: Style;
  /** For stderr. */
  readonly errorStyle: Style;
  columns(): number;
  /** Text as it is, on stdout. */
  write(text: string): void;
  /** Whole lines on stdout. */
  print(...lines: string[]): void;
  /** Whole lines on stderr. */
  warn(...lines: string[]): void;
  /** One JSON document, or one line of NDJSON. */
  printJson(value: unknown, layout?: "document" | "line"): void;
}

export interface TerminalOptions {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly argv: readonly string[];
}

/** `--no-color` goes before NO_COLOR, that before FORCE_COLOR, and that before what the stream is. */
function wantsColour(stream: Partial<WriteStream>, { env, argv }: TerminalOptions): boolean {
  if (argv.includes("--no-color")) return false;
  if (env["NO_COLOR"] !== undefined && env["NO_COLOR"] !== "") return false;
  if (env["FORCE_COLOR"] !== undefined && env["FORCE_COLOR"] !== "0") return true;
  return stream.isTTY === true && env["TERM"] !== "dumb";
}

export function createTerminal(options: TerminalOptions): Terminal {
  const { stdout, stderr, env } = options;
  const print = (stream: NodeJS.WriteStream, lines: readonly string[]): void => {
    if (lines.length > 0) stream.write(`${lines.join("\n")}\n`);
  };
  return {
    stdout,
    isTty: stdout.isTTY === true && env["TERM"] !== "dumb",
    style: createStyle(wantsColour(stdout, options)),
    errorStyle: createStyle(wantsColour(stderr, options)),
    // A terminal that does not know its size says 0.
    columns: () => stdout.columns || Number(env["COLUMNS"]) || DEFAULT_COLUMNS,
    write: (text) => {
      if (text !== "") stdout.write(text);
    },
    print: (...lines) => print(stdout, lines),
    warn: (...lines) => print(stderr, lines),
    printJson: (value, layout = "document") =>
      stdout.write(`${JSON.stringify(value, null, layout === "document" ? 2 : undefined)}\n`),
  };
}
