import { ValidationError } from "../../errors.ts";
import { mapWithConcurrency } from "../../internal/map-with-concurrency.ts";
import type { BoxInfo } from "../../sandbox/sandbox.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { openData } from "../open-data.ts";
import { formatAge } from "../../view/format-figures.ts";
import { toPlainLine } from "../../view/plain-text.ts";
import { renderTable } from "../render/render-table.ts";

const COLUMNS = [
  { title: "box" },
  { title: "state" },
  { title: "contained" },
  { title: "age", align: "right" as const },
  { title: "name", shrink: true as const },
];

/** Deletions at a time. */
const DELETIONS = 4;

export async function listBoxes(line: CommandLine, options: CommonOptions): Promise<void> {
  const { terminal } = line;
  await using runtime = await openData(line, options, { need: "read" });
  const boxes: BoxInfo[] = (await runtime.hasBoxes()) ? await (await runtime.openSandbox()).list() : [];
  if (options.json === true) return terminal.printJson(boxes);
  if (boxes.length === 0) return terminal.print("No boxes.");
  const rows = boxes.map(({ id, state, contained, createdAt, name }) => [
    id,
    state,
    contained ? "yes" : terminal.style.yellow("no"),
    formatAge(line.now() - createdAt),
    toPlainLine(name ?? ""),
  ]);
  terminal.print(...renderTable(COLUMNS, rows, terminal.style, terminal.columns()));
}

export async function removeBoxes(line: CommandLine, ids: readonly string[], options: CommonOptions): Promise<void> {
  await using runtime = await openData(line, options, { need: "write" });
  const client = await runtime.openSandbox();
  const known = new Set((await client.list()).map(({ id }) => id));
  const unknown = ids.find((id) => !known.has(id));
  if (unknown !== undefined)
    throw new ValidationError(
      "invalid_option",
      `There is no box "${unknown}"; \`skein boxes ls\` lists those that there are. Nothing was deleted.`,
    );
  await mapWithConcurrency(ids, DELETIONS, async (id) => (await client.attach(id))?.delete());
  line.terminal.print(`Deleted ${countBoxes(ids.length)}.`);
}

export async function pruneBoxes(line: CommandLine, options: CommonOptions): Promise<void> {
  // Every command deletes what dead owners left as it opens the data; this one says what is still there.
  await using runtime = await openData(line, options, { need: "read" });
  const left = (await runtime.hasBoxes()) ? await (await runtime.openSandbox()).list() : [];
  line.terminal.print(
    left.length === 0
      ? "No boxes are left."
      : `${countBoxes(left.length)} left, with an owner or a claim that is not over; \`skein boxes rm\` deletes them all the same.`,
  );
}

function countBoxes(count: number): string {
  return count === 1 ? "1 box" : `${count} boxes`;
}
