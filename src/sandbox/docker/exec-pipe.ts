import type { Duplex } from "node:stream";
import { duplexOver } from "../../internal/duplex-over.ts";

/** Of the engine's frame around what a program said: where it said it, three bytes of nothing, and the length. */
const HEADER = 8;
const STDERR = 2;
/** Of what the program said about its failure. */
const MAX_COMPLAINT = 2000;

/** A program's standard input and output as one stream. */
export interface ExecPipe extends Duplex {
  /** The end of what it wrote to its standard error. */
  complaint(): string;
}

/**
 * Takes the engine's frames off the output of a program that was started by exec. What runs in the box can write anything: a length is only
 * counted down, and never made room for.
 */
export function createExecPipe(line: Duplex): ExecPipe {
  let header = Buffer.alloc(0);
  let left = 0;
  let isComplaint = false;
  let complaint = "";
  const pipe = duplexOver(line);
  const take = (bytes: Buffer): void => {
    if (isComplaint) complaint = (complaint + bytes.toString("latin1")).slice(-MAX_COMPLAINT);
    else if (!pipe.push(bytes)) line.pause();
  };
  line.on("data", (chunk: Buffer) => {
    for (let rest = chunk; rest.length > 0;) {
      if (left > 0) {
        take(rest.subarray(0, left));
        const taken = Math.min(left, rest.length);
        left -= taken;
        rest = rest.subarray(taken);
        continue;
      }
      const missing = HEADER - header.length;
      header = Buffer.concat([header, rest.subarray(0, missing)]);
      rest = rest.subarray(missing);
      if (header.length < HEADER) continue;
      isComplaint = header[0] === STDERR;
      left = header.readUInt32BE(4);
      header = Buffer.alloc(0);
    }
  });
  line.once("end", () => pipe.push(null));
  line.once("error", (error) => pipe.destroy(error));
  line.once("close", () => pipe.destroy());
  return Object.assign(pipe, { complaint: () => complaint.trim() });
}
