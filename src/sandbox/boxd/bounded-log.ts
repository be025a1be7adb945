import { closeSync, openSync, writeSync } from "node:fs";

const MAX_BYTES = 1024 * 1024;

/** A log file that stops growing at its limit: what an agent says on stderr is for the first look, not for the archive. */
export function openBoundedLog(path: string): (text: string) => void {
  let file: number | undefined = openSync(path, "a", 0o600);
  let size = 0;
  return (text) => {
    if (file === undefined) return;
    size += Buffer.byteLength(text);
    if (size <= MAX_BYTES) return void writeSync(file, text);
    writeSync(file, "\n(the log is full)\n");
    closeSync(file);
    file = undefined;
  };
}
