import { once } from "node:events";
import { open, rename, rm, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { ValidationError } from "../../errors.ts";
import { findSession } from "../../runtime/find-session.ts";
import { exportSession } from "../../store/session-file.ts";
import type { SessionStore } from "../../store/session-store.ts";
import { toOtlp } from "../../telemetry/otlp-json.ts";
import { readResource } from "../../telemetry/otlp-settings.ts";
import { readSpans } from "../../telemetry/read-spans.ts";
import type { SpanRecord } from "../../telemetry/span-record.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { openData } from "../open-data.ts";
import { formatCount } from "../../view/format-figures.ts";

/** Lines are written together, so many characters at once. */
const WRITE_CHARACTERS = 256 * 1024;

export interface ExportOptions extends CommonOptions {
  readonly otlp?: boolean;
  readonly content?: boolean;
}

export async function writeSessionFile(
  line: CommandLine,
  wanted: string,
  file: string | undefined,
  options: ExportOptions,
): Promise<void> {
  const { terminal } = line;
  await using runtime = await openData(line, options, { need: "read" });
  const session = await findSession(runtime.store, wanted);
  const isOtlp = options.otlp === true;
  const text = joinLines(
    isOtlp ? exportSpans(line, runtime.store, session.id, options) : exportSession(runtime.store, session.id),
  );
  if (file === undefined) {
    for await (const piece of text) if (!terminal.stdout.write(piece)) await once(terminal.stdout, "drain");
    return;
  }
  const path = resolve(line.cwd, file);
  if (await exists(path))
    throw new ValidationError("invalid_option", `${path} exists already; name another file, or remove it.`);
  await writeWhole(path, text);
  terminal.print(`${session.id}: ${isOtlp ? "spans" : formatCount(session.lastSeq, "event")} in ${path}`);
}

/** One document: what is posted to a collector is one request. */
async function* exportSpans(
  { env }: CommandLine,
  store: SessionStore,
  sessionId: string,
  { content = false }: ExportOptions,
): AsyncGenerator<string> {
  const spans: SpanRecord[] = [];
  for await (const span of readSpans(store, sessionId, { content })) spans.push(span);
  yield JSON.stringify(toOtlp(spans, readResource(env)));
}

async function* joinLines(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let gathered: string[] = [];
  let characters = 0;
  for await (const line of lines) {
    gathered.push(line, "\n");
    characters += line.length + 1;
    if (characters < WRITE_CHARACTERS) continue;
    yield gathered.join("");
    gathered = [];
    characters = 0;
  }
  yield gathered.join("");
}

/** A file with this name is there only when it is whole. */
async function writeWhole(path: string, text: AsyncIterable<string>): Promise<void> {
  const part = `${path}.part-${process.pid}`;
  const handle = await open(part, "wx").catch((cause: NodeJS.ErrnoException) => {
    throw new ValidationError(
      "path_not_found",
      `The file ${path} could not be made: ${cause.message}. Name one in a folder that exists and can be written.`,
      { cause },
    );
  });
  try {
    for await (const piece of text) await handle.writeFile(piece);
    await handle.close();
    await rename(part, path);
  } catch (error) {
    await handle.close().catch(() => {});
    await rm(part, { force: true });
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
