import { ValidationError } from "../errors.ts";
import { foldLoop } from "./loop-record.ts";
import type { LoopRecord, RoundRecord } from "./loop-record.ts";
import type { LoopResult, RunLoopOptions } from "./loop-types.ts";
import { runLoop } from "./run-loop.ts";

/** @experimental */
export interface ForkLoopOptions<Task, Output, Decision> extends Omit<
  RunLoopOptions<Task, Output, Decision>,
  "sessionId" | "resume" | "store"
> {
  /** The store that holds the loop. */
  readonly store: NonNullable<RunLoopOptions<Task, Output, Decision>["store"]>;
  /** The round, from 0, after whose end the new loop parts from the old one. */
  readonly atRound: number;
}

/** True where an iteration of the round has a checkpoint from which a later round can go on. */
function hasForkPoint({ checkpoints }: LoopRecord, { first, planned, endSeq }: RoundRecord): boolean {
  return planned.tasks.some((_task, offset) => {
    const checkpoint = checkpoints.get(first + offset);
    return checkpoint !== undefined && checkpoint.seq <= endSeq;
  });
}

/**
 * A new loop that shares the first rounds of another one, up to and including `atRound`, and then goes its own way, with another driver or
 * validator if the caller wants. The other loop, its boxes and its checkpoints stay as they are: the new one goes on from its fork points,
 * which a loop takes with `lineage.checkpoints: "every-round"`.
 *
 * @throws ValidationError `session_unknown`, `fork_position` where the round is not there or has no fork point; what `runLoop` throws
 * @experimental
 */
export async function forkLoop<Task, Output, Decision>(
  sessionId: string,
  { atRound, ...options }: ForkLoopOptions<Task, Output, Decision>,
): Promise<LoopResult<Task, Output, Decision>> {
  const { store, sandboxClient } = options;
  if ((await store.get(sessionId))?.kind !== "loop") {
    throw new ValidationError("session_unknown", `There is no loop ${sessionId} to fork.`);
  }
  const record = await foldLoop(store.read(sessionId));
  const withPoints = record.rounds.flatMap((round, number) => (hasForkPoint(record, round) ? [number] : []));
  const round = record.rounds[atRound];
  if (round === undefined || !withPoints.includes(atRound)) {
    const which =
      withPoints.length === 0
        ? 'no round of it has one; run it with lineage.checkpoints "every-round"'
        : `the rounds that have one are ${withPoints.join(", ")}`;
    throw new ValidationError(
      "fork_position",
      `Round ${atRound} of the loop ${sessionId} has no fork point: ${which}.`,
    );
  }
  if (sandboxClient.restore === undefined) {
    throw new ValidationError(
      "fork_unsupported",
      "The sandbox cannot restore a checkpoint, so no loop can be forked on it.",
    );
  }
  const child = await store.fork(sessionId, { atSeq: round.endSeq });
  return runLoop({ ...options, sessionId: child.id, resume: true, allowChanged: true });
}
