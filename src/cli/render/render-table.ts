import Table from "cli-table3";
import { fitLine, visibleWidth } from "../../view/plain-text.ts";
import type { Style } from "./style.ts";

export interface TableColumn {
  readonly title: string;
  readonly align?: "left" | "right";
  /** The one column that gives way when the terminal is narrow. */
  readonly shrink?: true;
}

const GAP = 2;
const NARROWEST = 8;

const NO_BORDERS = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: " ".repeat(GAP),
};

/** Rows under their titles, without borders; nothing is wrapped, and the column that may shrink is cut to fit `width`. */
export function renderTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  style: Style,
  width: number,
): string[] {
  const widths = columns.map((column, index) =>
    Math.max(visibleWidth(column.title), ...rows.map((row) => visibleWidth(row[index] ?? ""))),
  );
  const needed = widths.reduce((sum, columnWidth) => sum + columnWidth, 0) + GAP * (columns.length - 1);
  const shrinking = columns.findIndex((column) => column.shrink === true);
  const room = shrinking < 0 ? 0 : Math.max(NARROWEST, (widths[shrinking] as number) - Math.max(0, needed - width));
  const table = new Table({
    chars: NO_BORDERS,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
    head: columns.map((column) => style.dim(column.title)),
    colAligns: columns.map((column) => column.align ?? "left"),
  });
  for (const row of rows) table.push(row.map((cell, index) => (index === shrinking ? fitLine(cell, room) : cell)));
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd());
}
