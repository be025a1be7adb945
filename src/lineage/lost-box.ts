import { SandboxError } from "../errors.ts";
import type { Box } from "../sandbox/sandbox.ts";

/** A box that is on record and no longer there: it can be named and deleted, every use fails with `box_gone`. */
export class LostBox implements Box {
  readonly id: string;

  constructor(id: string) {
    this.id = id;
  }

  streamPrompt(): never {
    throw new SandboxError("box_gone", `Box ${this.id} did not survive the process that used it.`);
  }

  async delete(): Promise<void> {}
}
