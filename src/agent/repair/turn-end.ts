import type { TestReport } from "./measure/test-report.ts";
import { toScore } from "./measure/test-report.ts";
import { listKept, type RepairMemory } from "./session/repair-memory.ts";

/** How a turn ended, for programs: the `outcome` of `_meta["skein/repair"]`. */
export type RepairOutcome = "repaired" | "improved" | "nothing-to-repair" | "could-not-repair" | "no-tests";

export interface TurnEnd {
  readonly outcome: RepairOutcome;
  /** Absent where the tests could not be run to their end. */
  readonly report: TestReport | undefined;
  readonly reason: string;
  readonly turnTries: number;
  readonly cancelled: boolean;
}

/** The `_meta["skein/repair"]` of the prompt's response. `tries` are those of the whole session. */
export function toRepairMeta(end: TurnEnd, memory: RepairMemory): Record<string, unknown> {
  return {
    outcome: end.outcome,
    ...(end.report ? { passed: end.report.passed, failed: end.report.failed } : {}),
    tries: memory.tries.length,
    turnTries: end.turnTries,
    reason: end.reason,
  };
}

/** The turn's last words: what was found and changed, or honestly that it was not. */
export function describeEnd(end: TurnEnd, memory: RepairMemory): string {
  const kept = listKept(memory);
  const changes = kept
    .map((one) => `- ${one.title} (${one.passed}/${(one.passed ?? 0) + (one.failed ?? 0)} tests pass)`)
    .join("\n");
  const score = end.report ? toScore(end.report) : "";
  const from = memory.startedWith
    ? ` It began at ${memory.startedWith.passed} of ${memory.startedWith.passed + memory.startedWith.failed}.`
    : "";
  const tried = memory.tries.length === 1 ? "1 edit was" : `${memory.tries.length} edits were`;
  if (end.cancelled)
    return `Cancelled. ${tried} tried so far${kept.length > 0 ? `, and these were kept:\n${changes}` : ""}.\n`;
  switch (end.outcome) {
    case "repaired":
      return `Repaired: ${score}, after ${memory.tries.length} tries.${from}\n${changes}\n`;
    case "nothing-to-repair":
      return `Nothing to repair: ${score}.\n`;
    case "no-tests":
      return `Could not repair: ${end.reason}, so there is nothing to measure a repair by.\n`;
    case "improved":
      return `Not repaired yet: ${end.reason}. ${score}.${from} Kept so far:\n${changes}\n${tried} tried.\n`;
    case "could-not-repair":
      return `Could not repair: ${end.reason}.${score === "" ? "" : ` ${score}.`}${describeTries(memory)}\n`;
  }
}

function describeTries(memory: RepairMemory): string {
  if (memory.tries.length === 0) return "";
  const byFile = new Map<string, number>();
  for (const { file } of memory.tries) byFile.set(file, (byFile.get(file) ?? 0) + 1);
  const files = [...byFile].map(([file, count]) => `${count} in ${file}`).join(", ");
  return ` Tried ${memory.tries.length} edits (${files}); none made more tests pass.`;
}
