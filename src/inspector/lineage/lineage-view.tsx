import { useMemo, useState } from "preact/hooks";
import type { StoredEvent } from "../../event/event.ts";
import { renderOrigin } from "../../view/box-origin.ts";
import { describeReason } from "../../view/describe-reason.ts";
import { describeError } from "../../view/describe-event.ts";
import { formatCost, formatCount, formatDuration, formatScore, formatUsage } from "../../view/format-figures.ts";
import { type IterationProgress, LoopProgress } from "../../view/loop-progress.ts";
import { toPlainLine } from "../../view/plain-text.ts";
import { totalTokens } from "../../event/usage.ts";
import { useObservable } from "../data/observable.ts";
import type { RunningIteration } from "../data/running-iterations.ts";
import type { SessionLog } from "../data/session-log.ts";
import { EmptyState } from "../shell/empty-state.tsx";
import { useKeys } from "../shell/keys.ts";
import { goTo, toHash } from "../shell/route.ts";
import { StatusLabel } from "../shell/status-label.tsx";
import { useClock } from "../shell/use-clock.ts";
import { LineageDrawing } from "./lineage-drawing.tsx";

/** The loop as its log, up to a position, tells it. */
export function foldLoop(
  sessionId: string,
  events: readonly StoredEvent[],
  position: number | undefined,
): LoopProgress {
  const progress = new LoopProgress(sessionId);
  for (const event of position === undefined ? events : events.slice(0, position)) progress.add(event);
  return progress;
}

export interface LineageViewProps {
  readonly log: SessionLog;
  readonly position: number | undefined;
  readonly running: readonly RunningIteration[];
}

/** A loop as a drawing, and below it the same as a table. */
export function LineageView({ log, position, running }: LineageViewProps) {
  useObservable(log);
  const progress = useMemo(() => foldLoop(log.sessionId, log.events, position), [log, log.events.length, position]);
  if (position === undefined) addRunning(progress, running);
  const now = useClock(progress.final === undefined);
  const [marked, setMarked] = useState<readonly number[]>([]);
  const { iterations } = progress;
  const mark = (index: number): void =>
    setMarked((before) =>
      before.includes(index) ? before.filter((one) => one !== index) : [...before.slice(-1), index],
    );
  const chosen = marked.filter((index) => iterations.some((iteration) => iteration.index === index));
  const compare = (): void | false => {
    const [left, right] = chosen.map((index) => iterations.find((iteration) => iteration.index === index));
    if (left === undefined || right === undefined) return false;
    goTo({ view: "compare", left: left.sessionId, right: right.sessionId });
  };
  useKeys({
    c: compare,
    ...Object.fromEntries(
      iterations
        .slice(0, 10)
        .map(({ index, sessionId }) => [
          String(index),
          () => goTo({ view: "session", id: sessionId, tab: "timeline" }),
        ]),
    ),
  });
  if (iterations.length === 0)
    return (
      <EmptyState title={log.isLoaded ? "No iteration yet." : "Loading…"}>
        {log.isLoaded && progress.final === undefined ? <p>The first box is being made.</p> : null}
      </EmptyState>
    );
  return (
    <div class="lineage">
      <p class="loop-facts">{describeLoop(progress)}</p>
      <LineageDrawing progress={progress} now={position === undefined ? now : (log.events[position - 1]?.at ?? now)} />
      <div class="table-frame" tabIndex={0} role="region" aria-label="Iterations">
        <table class="iterations">
          <thead>
            <tr>
              <th scope="col">compare</th>
              <th scope="col">iteration</th>
              <th scope="col">round</th>
              <th scope="col">box</th>
              <th scope="col">outcome</th>
              <th scope="col" class="number">
                score
              </th>
              <th scope="col" class="number">
                time
              </th>
              <th scope="col" class="number">
                tokens
              </th>
              <th scope="col" class="number">
                cost
              </th>
              <th scope="col">says</th>
            </tr>
          </thead>
          <tbody>
            {iterations.map((iteration) => (
              <IterationRow
                iteration={iteration}
                now={now}
                isWinner={progress.final !== undefined && progress.winner?.index === iteration.index}
                isMarked={chosen.includes(iteration.index)}
                onMark={() => mark(iteration.index)}
              />
            ))}
          </tbody>
        </table>
      </div>
      <p class="compare-line">
        <button type="button" disabled={chosen.length !== 2} onClick={() => void compare()}>
          {chosen.length === 2 ? `Compare #${chosen[0]} with #${chosen[1]}` : "Compare"}
        </button>{" "}
        <span class="quiet">{chosen.length === 2 ? "" : "Mark two iterations to see where they part."}</span>
      </p>
    </div>
  );
}

interface RowProps {
  readonly iteration: IterationProgress;
  readonly now: number;
  readonly isWinner: boolean;
  readonly isMarked: boolean;
  readonly onMark: () => void;
}

function IterationRow({ iteration, now, isWinner, isMarked, onMark }: RowProps) {
  const { index, round, parentIndex, origin, status, verdict, usage, sessionId, error } = iteration;
  const tokens = totalTokens(usage);
  return (
    <tr class={isMarked ? "marked" : ""}>
      <td>
        <input type="checkbox" checked={isMarked} onChange={onMark} aria-label={`Compare #${index}`} />
      </td>
      <th scope="row">
        <a href={toHash({ view: "session", id: sessionId, tab: "timeline" })}>{`#${index}`}</a>
        {isWinner ? <span class="tag good-tag">{verdict?.valid === false ? "best" : "winner"}</span> : null}
      </th>
      <td>{round}</td>
      <td>{`${renderOrigin(origin)}${parentIndex === undefined || origin === "new" ? "" : ` of #${parentIndex}`}`}</td>
      <td>
        <StatusLabel status={status} />
        {verdict === undefined ? null : (
          <span class={verdict.valid ? "good" : "warn"}>{verdict.valid ? " valid" : " not valid"}</span>
        )}
      </td>
      <td class="number">{verdict === undefined ? "" : formatScore(verdict.score)}</td>
      <td class="number">{formatDuration(Math.max(0, (iteration.endedAt ?? now) - iteration.startedAt))}</td>
      <td class="number">{tokens === undefined ? <span class="quiet">—</span> : tokens.toLocaleString("en-US")}</td>
      <td class="number">{usage.costUsd === undefined ? <span class="quiet">—</span> : formatCost(usage.costUsd)}</td>
      <td class="notes">
        {error === undefined ? (
          toPlainLine(iteration.activity || (verdict?.notes ?? "")).slice(0, 300)
        ) : (
          <span class="bad">{describeError(error)}</span>
        )}
      </td>
    </tr>
  );
}

function describeLoop(progress: LoopProgress): string {
  const { driver, limits, final, iterations, rounds, winner } = progress;
  const parts = [
    driver === undefined ? "" : toPlainLine(driver),
    `${formatCount(iterations.length, "iteration")} in ${formatCount(rounds.length, "round")}`,
    limits === undefined ? "" : `at most ${limits.maxIterations}`,
    winner?.verdict === undefined ? "" : `best ${formatScore(winner.verdict.score)} (#${winner.index})`,
    formatUsage(progress.usage),
    final === undefined
      ? progress.waiting > 0
        ? `${progress.waiting} waiting for a box`
        : ""
      : describeReason(final.reason, final.status),
  ];
  return parts.filter((part) => part !== "").join(" · ");
}

/** Feeds what the running iterations are doing into the picture. */
function addRunning(progress: LoopProgress, running: readonly RunningIteration[]): void {
  for (const { log } of running) {
    const iteration = progress.iterationOf(log.sessionId);
    if (iteration?.status !== "running") continue;
    iteration.tools = 0;
    iteration.usage = {};
    for (const event of log.events) progress.add(event);
  }
}
