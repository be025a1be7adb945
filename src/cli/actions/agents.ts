import { AGENTS_FOLDER, createDataDirectory, inspectDataDirectory } from "../../runtime/data-directory.ts";
import { installAgent, listAgents } from "../../runtime/install-agent.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { toDataPlace } from "../open-data.ts";
import { renderTable } from "../render/render-table.ts";
import { join, resolve } from "node:path";

/** SKEIN_AGENTS, else a folder of the data directory. */
export function toAgentsFolder(line: CommandLine, options: CommonOptions): string {
  const { SKEIN_AGENTS } = line.env;
  if (SKEIN_AGENTS !== undefined && SKEIN_AGENTS !== "") return resolve(line.cwd, SKEIN_AGENTS);
  return join(toDataPlace(line, options).directory, AGENTS_FOLDER);
}

const COLUMNS = [
  { title: "agent" },
  { title: "installed" },
  { title: "package" },
  { title: "license", shrink: true as const },
];

export async function showAgents(line: CommandLine, options: CommonOptions): Promise<void> {
  const { terminal } = line;
  const agents = await listAgents(toAgentsFolder(line, options));
  if (options.json === true) return terminal.printJson(agents);
  const rows = agents.map((agent) => [
    agent.name,
    agent.installed ?? terminal.style.dim("no"),
    `${agent.package}@${agent.version}`,
    agent.license,
  ]);
  terminal.print(...renderTable(COLUMNS, rows, terminal.style, terminal.columns()));
}

export async function installAgents(
  line: CommandLine,
  names: readonly string[],
  options: CommonOptions,
): Promise<void> {
  const folder = toAgentsFolder(line, options);
  const { directory } = toDataPlace(line, options);
  // A folder that Git does not see and that the next command knows for its own.
  if (folder.startsWith(directory) && (await inspectDataDirectory(directory)) === "missing")
    await createDataDirectory(directory);
  for (const name of names) {
    const started = line.now();
    await installAgent(folder, name, line.interrupt.signal);
    line.terminal.print(`Installed ${name} in ${Math.round((line.now() - started) / 1000)} s: ${join(folder, name)}`);
  }
}
