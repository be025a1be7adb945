import type { IterationProgress } from "./loop-progress.ts";

/** An iteration and its place in a grid: a column for each round, a row in which nothing else of its column lies. */
export interface PlacedIteration {
  readonly iteration: IterationProgress;
  /** The parent that it is drawn under; one that the log does not hold, or that is not of an earlier round, is none. */
  readonly parentIndex?: number;
  readonly column: number;
  /** From 0; halves lie between two children. */
  readonly row: number;
}

export interface LineageLayout {
  readonly placed: readonly PlacedIteration[];
  /** The round of each column. */
  readonly columns: readonly number[];
  readonly rows: number;
}

/**
 * Puts every iteration beside its children: each takes as many rows as its branches need, and trees without a common parent share rows where
 * their rounds do not meet. Without recursion, because a loop that refines is as deep as it is long.
 */
export function layOutLineage(iterations: readonly IterationProgress[]): LineageLayout {
  const columns = [...new Set(iterations.map(({ round }) => round))].sort((a, b) => a - b);
  const columnOf = new Map(columns.map((round, column) => [round, column]));
  const roundOf = new Map(iterations.map(({ index, round }) => [index, round]));
  const parents = new Map<number, number>();
  for (const { index, round, parentIndex } of iterations) {
    const before = parentIndex === undefined ? undefined : roundOf.get(parentIndex);
    if (parentIndex !== undefined && before !== undefined && parentIndex < index && before < round)
      parents.set(index, parentIndex);
  }

  // Children come after their parents, so one pass from the end knows all of a branch, and one from the beginning can place it.
  const height = new Map<number, number>();
  const lastColumn = new Map<number, number>();
  for (const { index, round } of [...iterations].reverse()) {
    height.set(index, Math.max(1, height.get(index) ?? 0));
    lastColumn.set(index, Math.max(columnOf.get(round) ?? 0, lastColumn.get(index) ?? 0));
    const parent = parents.get(index);
    if (parent === undefined) continue;
    height.set(parent, (height.get(parent) ?? 0) + (height.get(index) ?? 1));
    lastColumn.set(parent, Math.max(lastColumn.get(parent) ?? 0, lastColumn.get(index) ?? 0));
  }

  const free = columns.map(() => 0);
  /** The next row for a child of each iteration. */
  const nextRow = new Map<number, number>();
  let rows = 0;
  const placed = iterations.map((iteration): PlacedIteration => {
    const { index, round } = iteration;
    const column = columnOf.get(round) ?? 0;
    const parent = parents.get(index);
    const needs = height.get(index) ?? 1;
    let first: number;
    if (parent === undefined) {
      const last = lastColumn.get(index) ?? column;
      first = Math.max(0, ...free.slice(column, last + 1));
      for (let at = column; at <= last; at++) free[at] = first + needs;
    } else {
      first = nextRow.get(parent) ?? 0;
      nextRow.set(parent, first + needs);
    }
    nextRow.set(index, first);
    rows = Math.max(rows, first + needs);
    return {
      iteration,
      ...(parent === undefined ? {} : { parentIndex: parent }),
      column,
      row: first + (needs - 1) / 2,
    };
  });
  return { placed, columns, rows };
}
