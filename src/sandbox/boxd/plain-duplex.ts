import { Duplex } from "node:stream";

/**
 * A connection as nothing but a stream. Node's HTTP server reads a socket past what was put back into it, so one of which the beginning was read
 * already must not look like a socket.
 */
export function toPlainDuplex(line: Duplex, beginning: Buffer): Duplex {
  const plain = new Duplex({
    allowHalfOpen: true,
    read: () => void line.resume(),
    write: (chunk: Buffer, _encoding, done) => {
      if (line.write(chunk)) done();
      else line.once("drain", () => done());
    },
    final: (done) => void line.end(() => done()),
    destroy: (error, done) => {
      line.destroy();
      done(error);
    },
  });
  if (beginning.length > 0) plain.push(beginning);
  line.on("data", (chunk: Buffer) => {
    if (!plain.push(chunk)) line.pause();
  });
  line.once("end", () => plain.push(null));
  line.once("close", () => plain.destroy());
  return plain;
}
