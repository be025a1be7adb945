import { ValidationError } from "../../errors.ts";
import { mapWithConcurrency } from "../../internal/map-with-concurrency.ts";
import type { RuntimeSandbox } from "../../runtime/open-sandbox.ts";
import type { CheckpointInfo } from "../../sandbox/sandbox.ts";
import { formatAge } from "../../view/format-figures.ts";
import { toPlainLine } from "../../view/plain-text.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { openData } from "../open-data.ts";
import { renderTable } from "../render/render-table.ts";

const COLUMNS = [
  { title: "checkpoint" },
  { title: "box" },
  { title: "mode" },
  { title: "age", align: "right" as const },
  { title: "session", shrink: true as const },
];

/** Deletions at a time. */
const DELETIONS = 4;

export async function listCheckpoints(line: CommandLine, options: CommonOptions): Promise<void> {
  const { terminal } = line;
  await using runtime = await openData(line, options, { need: "read" });
  const checkpoints: CheckpointInfo[] = [];
  for (const client of (await runtime.openUsedSandboxes()).values())
    checkpoints.push(...((await client.listCheckpoints?.()) ?? []));
  if (options.json === true) return terminal.printJson(checkpoints);
  if (checkpoints.length === 0) return terminal.print("No checkpoints.");
  const rows = checkpoints.map(({ id, boxId, mode, createdAt, labels }) => [
    id,
    boxId,
    mode,
    formatAge(line.now() - createdAt),
    toPlainLine(labels["skein.session"] ?? ""),
  ]);
  terminal.print(...renderTable(COLUMNS, rows, terminal.style, terminal.columns()));
}

export async function removeCheckpoints(
  line: CommandLine,
  ids: readonly string[],
  options: CommonOptions,
): Promise<void> {
  await using runtime = await openData(line, options, { need: "write" });
  const known = new Map<string, RuntimeSandbox>();
  for (const client of (await runtime.openUsedSandboxes()).values())
    for (const { id } of (await client.listCheckpoints?.()) ?? []) known.set(id, client);
  const unknown = ids.find((id) => !known.has(id));
  if (unknown !== undefined)
    throw new ValidationError(
      "invalid_option",
      `There is no checkpoint "${unknown}"; \`skein checkpoints ls\` lists those that there are. Nothing was deleted.`,
    );
  await mapWithConcurrency(ids, DELETIONS, async (id) => known.get(id)?.deleteCheckpoint?.(id));
  line.terminal.print(`Deleted ${ids.length === 1 ? "1 checkpoint" : `${ids.length} checkpoints`}.`);
}
