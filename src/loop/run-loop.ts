import { throwIfAborted } from "../internal/abort.ts";
import { createId } from "../internal/ids.ts";
import type { FirstAppend } from "../store/begin-session.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import { beginRedaction } from "../stream/begin-redaction.ts";
import { openSession } from "../stream/open-session.ts";
import { fingerprintLoop } from "./fingerprint.ts";
import { LoopMemory } from "./loop-memory.ts";
import { LoopRun } from "./loop-run.ts";
import { toLoopStart } from "./loop-start.ts";
import type { LoopResult, RunLoopOptions } from "./loop-types.ts";
import { validateLoopOptions } from "./validate-loop-options.ts";

/**
 * Runs a loop over boxes: plan the round, run it, score it, record it, decide; until the driver says so or a limit is reached.
 *
 * - Every step is an event in the loop's own session before it is acted on; each iteration's events are a session of their own, its child.
 * - At most `maxConcurrency` tasks hold a box, from its creation or fork to the verdict.
 * - What an agent, an output adapter or a validator throws is recorded on its iteration, and the loop goes on. What the driver, the lineage or
 *   the store throws ends the loop: the boxes are deleted, `final` is stored, and the promise rejects with it.
 * - On abort the iterations in flight are recorded as aborted, the boxes deleted, and the promise rejects with an AbortError.
 * - Resumed, it is a new run in the same session that asks nobody for what the log holds.
 * - Without lineage flags every iteration has its own fresh box, deleted when it ends.
 *
 * @throws ValidationError, StoreError, FencedError, AbortError; what the driver threw
 * @stable
 */
export async function runLoop<Task, Output, Decision>(
  options: RunLoopOptions<Task, Output, Decision>,
): Promise<LoopResult<Task, Output, Decision>> {
  const settings = validateLoopOptions(options);
  throwIfAborted(options.signal);
  const store = options.store ?? (await openMemoryStore());
  try {
    const { sessionId = createId("loop"), resume = false, labels } = options;
    const opening = {
      runId: createId("run"),
      redaction: beginRedaction(options.redact),
      fingerprint: fingerprintLoop(options, settings),
    };
    const first = (): FirstAppend => ({
      bodies: toLoopStart(options, settings, opening.fingerprint, undefined).flatMap((body) =>
        opening.redaction.push(body),
      ),
      runId: opening.runId,
    });
    const open = await openSession(store, {
      sessionId,
      kind: "loop",
      resume,
      takeOver: false,
      first,
      ...(labels === undefined ? {} : { labels }),
    });
    try {
      const memory = await LoopMemory.read<Task, Output>(store, open.session, open.historySeq, options.output);
      if (open.events === undefined && options.allowChanged !== true) memory.requireSame(opening.fingerprint);
      return await new LoopRun(options, settings, store, open, memory, opening).execute();
    } finally {
      // A lease that cannot be given up runs out by itself.
      await open.writer.close().catch(() => {});
    }
  } finally {
    if (options.store === undefined) await store.close();
  }
}
