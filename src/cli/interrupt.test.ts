import { EventEmitter } from "node:events";
import { expect, it } from "vitest";
import { createInterrupt, type Interrupt } from "./interrupt.ts";

interface Played {
  readonly interrupt: Interrupt;
  readonly process: EventEmitter & { readonly stdout: EventEmitter; readonly stderr: EventEmitter };
  readonly said: string[];
  readonly left: number[];
}

function play(): Played {
  const process = Object.assign(new EventEmitter(), { stdout: new EventEmitter(), stderr: new EventEmitter() });
  const said: string[] = [];
  const left: number[] = [];
  const interrupt = createInterrupt({
    process: process as unknown as NodeJS.Process,
    say: (line) => said.push(line),
    leave: (code) => void left.push(code),
  });
  return { interrupt, process, said, left };
}

it("L6: the first Ctrl-C aborts in order and says how to leave at once; the second leaves at once", () => {
  const { interrupt, process, said, left } = play();
  process.emit("SIGINT");
  expect(interrupt.signal.aborted).toBe(true);
  expect(interrupt.signal.reason).toMatchObject({ name: "AbortError" });
  expect(said).toEqual(["stopping… press Ctrl-C again to leave at once"]);
  expect(left).toEqual([]);
  process.emit("SIGINT");
  expect(left).toEqual([130]);
});

it("takes SIGTERM for a Ctrl-C", () => {
  const { interrupt, process, left } = play();
  process.emit("SIGTERM");
  expect(interrupt.interrupted).toBe(true);
  process.emit("SIGINT");
  expect(left).toEqual([130]);
});

it("ends quietly when the reader goes away", () => {
  const { interrupt, process, said } = play();
  process.stdout.emit("error", Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
  expect(interrupt).toMatchObject({ readerGone: true, interrupted: false });
  expect(interrupt.signal.aborted).toBe(true);
  expect(said).toEqual([]);
});

it("speaks through the part of the screen that is redrawn, as long as there is one", () => {
  const { interrupt, process, said } = play();
  const drawn: string[] = [];
  interrupt.speakThrough((line) => drawn.push(line))();
  process.emit("SIGINT");
  expect({ drawn, said: said.length }).toEqual({ drawn: [], said: 1 });
  const other = play();
  other.interrupt.speakThrough((line) => drawn.push(line));
  other.process.emit("SIGINT");
  expect({ drawn: drawn.length, said: other.said }).toEqual({ drawn: 1, said: [] });
});
