import { Duplex } from "node:stream";

/** A stream that writes into `line` and ends with it; whoever makes it hands on what `line` says, and pauses `line` where `push` says so. */
export function duplexOver(line: Duplex): Duplex {
  return new Duplex({
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
}
