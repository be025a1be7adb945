import type { WorkspacePatch } from "../loop/outputs/workspace-patch.ts";
import { fanout } from "../loop/drivers/fanout.ts";
import { randomK } from "../loop/drivers/random-k.ts";
import { refine } from "../loop/drivers/refine.ts";
import type { Driver } from "../loop/loop-types.ts";

/** What the loops of the command line work on. It is stored with the session, so it is plain data. */
export type PackageTask = {
  readonly prompt: string;
  /** What the check said of the attempt before. */
  readonly feedback?: string;
};

export const DRIVER_NAMES = ["refine", "best-of-k", "fanout"] as const;

export type DriverName = (typeof DRIVER_NAMES)[number];

/** Attempts of best-of-k, and of a round of fanout, unless another number is named. */
export const DEFAULT_K = 3;

/** Attempts of refine, unless another number is named. */
export const DEFAULT_ROUNDS = 5;

export interface DriverChoice {
  readonly name: DriverName;
  /** Attempts of best-of-k, or of each round of fanout. */
  readonly k: number;
  /** An attempt goes on in the conversation of the one before, so it is told what the check said of it. */
  readonly continues: boolean;
  /** The attempts of a round fork their parent, so the first round makes one. */
  readonly forks: boolean;
}

export function createLoopDriver(
  { name, k, continues, forks }: DriverChoice,
  maxIterations: number,
): Driver<PackageTask, WorkspacePatch, string> {
  switch (name) {
    case "refine":
      return refine<PackageTask, WorkspacePatch>(continues ? { next: withFeedback } : {});
    case "best-of-k":
      return randomK<PackageTask, WorkspacePatch>(k);
    case "fanout":
      return fanout<PackageTask, WorkspacePatch>({
        k,
        rounds: Math.max(1, Math.ceil(maxIterations / k)),
        prepare: forks,
      });
  }
}

function withFeedback(task: PackageTask, previous: { readonly verdict?: { readonly notes?: string } }): PackageTask {
  const feedback = previous.verdict?.notes;
  return feedback === undefined ? task : { ...task, feedback };
}
