import { ValidationError } from "../../errors.ts";
import { mapWithConcurrency } from "../../internal/map-with-concurrency.ts";
import type { RuntimeSandbox, SandboxName } from "../../runtime/open-sandbox.ts";
import type { Runtime } from "../../runtime/open-runtime.ts";
import type { BoxInfo } from "../../sandbox/sandbox.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { openData } from "../open-data.ts";
import { formatAge } from "../../view/format-figures.ts";
import { toPlainLine } from "../../view/plain-text.ts";
import { renderTable } from "../render/render-table.ts";

const COLUMNS = [
  { title: "box" },
  { title: "sandbox" },
  { title: "state" },
  { title: "contained" },
  { title: "age", align: "right" as const },
  { title: "name", shrink: true as const },
];

/** Deletions at a time. */
const DELETIONS = 4;

export interface ListBoxesOptions extends CommonOptions {
  readonly sandbox?: SandboxName;
}

export async function listBoxes(line: CommandLine, options: ListBoxesOptions): Promise<void> {
  const { terminal } = line;
  await using runtime = await openData(line, options, { need: "read" });
  const boxes = await listAll(runtime, options.sandbox);
  if (options.json === true) return terminal.printJson(boxes);
  if (boxes.length === 0) return terminal.print("No boxes.");
  const rows = boxes.map(({ id, sandbox, state, contained, createdAt, name }) => [
    id,
    sandbox,
    state,
    contained ? "yes" : terminal.style.yellow("no"),
    formatAge(line.now() - createdAt),
    toPlainLine(name ?? ""),
  ]);
  terminal.print(...renderTable(COLUMNS, rows, terminal.style, terminal.columns()));
}

export async function removeBoxes(line: CommandLine, ids: readonly string[], options: CommonOptions): Promise<void> {
  await using runtime = await openData(line, options, { need: "write" });
  const known = new Map<string, RuntimeSandbox>();
  for (const client of (await runtime.openUsedSandboxes()).values())
    for (const { id } of await client.list()) known.set(id, client);
  const unknown = ids.find((id) => !known.has(id));
  if (unknown !== undefined)
    throw new ValidationError(
      "invalid_option",
      `There is no box "${unknown}"; \`skein boxes ls\` lists those that there are. Nothing was deleted.`,
    );
  const dead: string[] = [];
  await mapWithConcurrency(ids, DELETIONS, async (id) => {
    const client = known.get(id);
    const box = await client?.attach(id);
    if (box) return box.delete();
    await client?.discard(id);
    dead.push(id);
  });
  const deleted = ids.length - dead.length;
  if (deleted > 0) line.terminal.print(`Deleted ${countBoxes(deleted)}.`);
  for (const id of dead) line.terminal.print(`Nothing ran in ${id} any more; what was left of it is removed.`);
}

export async function pruneBoxes(line: CommandLine, options: CommonOptions): Promise<void> {
  // Every command deletes what dead owners left as it opens the data; this one says what is still there.
  await using runtime = await openData(line, options, { need: "read" });
  const left = await listAll(runtime);
  line.terminal.print(
    left.length === 0
      ? "No boxes are left."
      : `${countBoxes(left.length)} left, with an owner or a claim that is not over; \`skein boxes rm\` deletes them all the same.`,
  );
}

async function listAll(runtime: Runtime, wanted?: SandboxName): Promise<(BoxInfo & { sandbox: SandboxName })[]> {
  const boxes: (BoxInfo & { sandbox: SandboxName })[] = [];
  for (const [sandbox, client] of await runtime.openUsedSandboxes())
    if (wanted === undefined || wanted === sandbox)
      boxes.push(...(await client.list()).map((box) => ({ ...box, sandbox })));
  return boxes;
}

function countBoxes(count: number): string {
  return count === 1 ? "1 box" : `${count} boxes`;
}
