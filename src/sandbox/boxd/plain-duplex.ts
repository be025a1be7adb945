import type { Duplex } from "node:stream";
import { duplexOver } from "../../internal/duplex-over.ts";

/**
 * A connection as nothing but a stream. Node's HTTP server reads a socket past what was put back into it, so one of which the beginning was read
 * already must not look like a socket.
 */
export function toPlainDuplex(line: Duplex, beginning: Buffer): Duplex {
  const plain = duplexOver(line);
  if (beginning.length > 0) plain.push(beginning);
  line.on("data", (chunk: Buffer) => {
    if (!plain.push(chunk)) line.pause();
  });
  line.once("end", () => plain.push(null));
  line.once("close", () => plain.destroy());
  return plain;
}
