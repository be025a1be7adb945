import { useEffect, useMemo, useState } from "preact/hooks";
import type { StoredEvent, Usage } from "../../event/event.ts";
import { totalTokens } from "../../event/usage.ts";
import { pathTo } from "../../view/align-branches.ts";
import { formatCost, formatCount } from "../../view/format-figures.ts";
import { toPlainLine } from "../../view/plain-text.ts";
import { foldUsageByModel, niceCeiling, sumByModel, totalOf, type UsageByModel } from "../../view/usage-by-branch.ts";
import { useObservable } from "../data/observable.ts";
import { getJson } from "../data/server.ts";
import type { SessionLog } from "../data/session-log.ts";
import { foldLoop } from "../lineage/lineage-view.tsx";
import { EmptyState } from "../shell/empty-state.tsx";

interface UsageRow {
  readonly name: string;
  readonly models: UsageByModel;
}

/** Several whole logs at a time would take the connections that the live streams need. */
const AT_ONCE = 2;
const PAGE = 10_000;

async function readUsage(sessionId: string, signal: AbortSignal): Promise<UsageByModel> {
  const reports: StoredEvent[] = [];
  for (let after = 0; ;) {
    const path = `/api/sessions/${encodeURIComponent(sessionId)}/events?after=${after}&limit=${PAGE}`;
    const events = await getJson<StoredEvent[]>(path, signal);
    for (const event of events) if (event.type === "usage.reported") reports.push(event);
    after = events.at(-1)?.seq ?? after;
    if (events.length < PAGE) return foldUsageByModel(reports);
  }
}

/** What a session, or each branch of a loop, spent, by model. */
export function UsageView({ log, isLoop }: { readonly log: SessionLog; readonly isLoop: boolean }) {
  useObservable(log);
  const progress = useMemo(() => foldLoop(log.sessionId, log.events, undefined), [log, log.events.length]);
  const [byIteration, setByIteration] = useState<ReadonlyMap<number, UsageByModel>>(new Map());
  const ended = progress.iterations.filter(({ status }) => status !== "running");
  const isComplete = !isLoop || ended.every(({ index }) => byIteration.has(index));
  useEffect(() => {
    if (!isLoop) return;
    const over = new AbortController();
    const left = ended.filter(({ index }) => !byIteration.has(index));
    const work = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined && !over.signal.aborted; next = left.shift()) {
        const { index, sessionId } = next;
        const models = await readUsage(sessionId, over.signal).catch((): UsageByModel => ({}));
        if (!over.signal.aborted) setByIteration((before) => new Map(before).set(index, models));
      }
    };
    for (let worker = 0; worker < AT_ONCE; worker++) void work();
    return () => over.abort();
  }, [log, isLoop, ended.length]);

  const rows: UsageRow[] = isLoop
    ? ended.map(({ index }) => ({ name: `#${index}`, models: byIteration.get(index) ?? {} }))
    : [{ name: "this session", models: foldUsageByModel(log.events) }];
  const leaves = progress.iterations.filter(
    ({ index }) => !progress.iterations.some((other) => other.parentIndex === index),
  );
  const branches: UsageRow[] = leaves.flatMap(({ index }) => {
    const path = pathTo(progress.iterations, index);
    if (path.length < 2) return [];
    return [
      {
        name: path.map((one) => `#${one}`).join(" → "),
        models: sumByModel(path.map((one) => byIteration.get(one) ?? {})),
      },
    ];
  });
  const all = sumByModel(rows.map(({ models }) => models));
  const names = Object.keys(all).sort();
  if (!isComplete && names.length === 0) return <EmptyState title="Reading what the iterations reported…" />;
  if (names.length === 0)
    return (
      <EmptyState title="No usage was reported.">
        <p>The agent told neither tokens nor cost. What is not known is not shown as zero.</p>
      </EmptyState>
    );
  return (
    <div class="usage">
      <ul class="model-key">
        {names.map((name, at) => (
          <li>
            <span class={`swatch series-${at % 6}`} aria-hidden="true" /> {nameOf(name)}
          </li>
        ))}
      </ul>
      <div class="plots">
        <Plot title="Tokens" rows={isLoop ? rows : []} names={names} read={totalTokens} format={formatTokens} />
        <Plot
          title="Cost"
          rows={isLoop ? rows : []}
          names={names}
          read={({ costUsd }) => costUsd}
          format={formatCost}
        />
        <Plot title="Tokens by branch" rows={branches} names={names} read={totalTokens} format={formatTokens} />
        <Plot
          title="Cost by branch"
          rows={branches}
          names={names}
          read={({ costUsd }) => costUsd}
          format={formatCost}
        />
        <Plot
          title="Tokens by model"
          rows={names.map((name) => ({ name: nameOf(name), models: { [name]: all[name] ?? {} } }))}
          names={names}
          read={totalTokens}
          format={formatTokens}
        />
        <Plot
          title="Cost by model"
          rows={names.map((name) => ({ name: nameOf(name), models: { [name]: all[name] ?? {} } }))}
          names={names}
          read={({ costUsd }) => costUsd}
          format={formatCost}
        />
      </div>
      <ModelTable names={names} all={all} />
    </div>
  );
}

const nameOf = (model: string): string => (model === "" ? "model not named" : toPlainLine(model));
const formatTokens = (tokens: number): string => tokens.toLocaleString("en-US");

interface PlotProps {
  readonly title: string;
  readonly rows: readonly UsageRow[];
  readonly names: readonly string[];
  readonly read: (usage: Usage) => number | undefined;
  readonly format: (value: number) => string;
}

const ROW = 22;
const NAME = 110;
const WIDTH = 460;
const FIGURE = 84;

/** A bar for each row, a colour for each model; a row of which nothing is known has no bar and says so. */
function Plot({ title, rows, names, read, format }: PlotProps) {
  const totals = rows.map(({ models }) => read(totalOf(models)));
  const most = niceCeiling(Math.max(0, ...totals.map((total) => total ?? 0)));
  if (totals.every((total) => total === undefined)) return null;
  const bars = WIDTH - NAME - FIGURE;
  const height = rows.length * ROW + 18;
  const label = `${title}: ${rows.map(({ name }, at) => `${name} ${totals[at] === undefined ? "not reported" : format(totals[at])}`).join(", ")}`;
  return (
    <figure class="plot">
      <figcaption>{title}</figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${height}`} role="img" aria-label={label.slice(0, 2000)}>
        {[0, 0.5, 1].map((part) => (
          <>
            <line class="grid" x1={NAME + part * bars} x2={NAME + part * bars} y1={0} y2={height - 16} />
            <text
              class="axis"
              x={NAME + part * bars}
              y={height - 4}
              text-anchor={part === 0 ? "start" : part === 1 ? "end" : "middle"}
            >
              {format(part * most)}
            </text>
          </>
        ))}
        {rows.map(({ name, models }, at) => {
          let x = NAME;
          const total = totals[at];
          return (
            <>
              <text class="bar-name" x={NAME - 8} y={at * ROW + 15} text-anchor="end">
                {name.length > 16 ? `…${name.slice(-15)}` : name}
                <title>{name}</title>
              </text>
              {names.map((model, series) => {
                const value = models[model] === undefined ? undefined : read(models[model]);
                if (value === undefined || value === 0) return null;
                const from = x;
                const width = (value / most) * bars;
                x += width;
                return (
                  <rect
                    class={`series-${series % 6}`}
                    x={from}
                    y={at * ROW + 4}
                    width={Math.max(1, width)}
                    height={ROW - 8}
                  >
                    <title>{`${nameOf(model)}: ${format(value)}`}</title>
                  </rect>
                );
              })}
              <text class={total === undefined ? "bar-figure quiet" : "bar-figure"} x={x + 6} y={at * ROW + 15}>
                {total === undefined ? "not reported" : format(total)}
              </text>
            </>
          );
        })}
      </svg>
    </figure>
  );
}

const COLUMNS = [
  ["input", "inputTokens"],
  ["cached", "cachedTokens"],
  ["output", "outputTokens"],
  ["cost", "costUsd"],
] as const;

function ModelTable({ names, all }: { readonly names: readonly string[]; readonly all: UsageByModel }) {
  const sum = totalOf(all);
  const cells = (usage: Usage) =>
    COLUMNS.map(([, field]) => {
      const value = usage[field];
      return (
        <td class="number">
          {value === undefined ? (
            <span class="quiet">not reported</span>
          ) : field === "costUsd" ? (
            formatCost(value)
          ) : (
            formatTokens(value)
          )}
        </td>
      );
    });
  return (
    <div class="table-frame" tabIndex={0} role="region" aria-label="Usage by model">
      <table>
        <thead>
          <tr>
            <th scope="col">model</th>
            {COLUMNS.map(([name]) => (
              <th scope="col" class="number">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {names.map((name) => (
            <tr>
              <th scope="row">{nameOf(name)}</th>
              {cells(all[name] ?? {})}
            </tr>
          ))}
          {names.length < 2 ? null : (
            <tr class="sum">
              <th scope="row">{formatCount(names.length, "model")}</th>
              {cells(sum)}
            </tr>
          )}
        </tbody>
      </table>
    </div>
  );
}
