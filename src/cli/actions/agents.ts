import { AGENTS_FOLDER, createDataDirectory, inspectDataDirectory } from "../../runtime/data-directory.ts";
import { installAgent } from "../../runtime/install-agent.ts";
import { toPlainLine } from "../../view/plain-text.ts";
import type { CommandLine, CommonOptions, TryOptions } from "../common-options.ts";
import { describeStart } from "../doctor-checks.ts";
import type { AgentFinding, ExamineAgentsOptions } from "../examine-agents.ts";
import { examineAgents, withProbeSandbox } from "../examine-agents.ts";
import { EXIT } from "../exit-codes.ts";
import { toDataPlace } from "../open-data.ts";
import { renderTable } from "../render/render-table.ts";
import type { Style } from "../render/style.ts";
import { join, resolve } from "node:path";

/** SKEIN_AGENTS, else a folder of the data directory. */
export function toAgentsFolder(line: CommandLine, options: CommonOptions): string {
  const { SKEIN_AGENTS } = line.env;
  if (SKEIN_AGENTS !== undefined && SKEIN_AGENTS !== "") return resolve(line.cwd, SKEIN_AGENTS);
  return join(toDataPlace(line, options).directory, AGENTS_FOLDER);
}

/** What agents are looked at by; says on stderr which of them is being started. */
export function toExamineOptions(line: CommandLine, options: TryOptions): ExamineAgentsOptions {
  const { terminal, env, interrupt } = line;
  return {
    agentsFolder: toAgentsFolder(line, options),
    env,
    signal: interrupt.signal,
    ...(options.try === true
      ? { onTry: (name) => terminal.warn(terminal.errorStyle.dim(`starting ${name} in a box …`)) }
      : {}),
  };
}

const COLUMNS = [
  { title: "agent" },
  { title: "here" },
  { title: "model by" },
  { title: "package" },
  { title: "license", shrink: true as const },
];

/** Lists the agents with what is true of each; ends with 1 where one was tried and does not start. */
export async function showAgents(line: CommandLine, options: TryOptions): Promise<void> {
  const { terminal } = line;
  const { style } = terminal;
  const examine = toExamineOptions(line, options);
  const agents = await withProbeSandbox(examine.agentsFolder, (client) => examineAgents(client, examine));
  line.exit(agents.some(({ start }) => start?.works === false) ? EXIT.failed : EXIT.done);
  if (options.json === true) return terminal.printJson(agents);
  const rows = agents.map((agent) => [
    agent.name,
    renderPlace(agent, style),
    agent.model.set[0] ?? style.dim("none"),
    `${agent.package}@${agent.version}`,
    agent.license,
  ]);
  terminal.print(...renderTable(COLUMNS, rows, style, terminal.columns()));
  const more = agents.flatMap(({ name, installed, program, model, start }) => [
    ...(start === undefined ? [] : [`${name} ${describeStart(start)}`]),
    ...(model.set.length > 0 || (installed ?? program) === undefined
      ? []
      : [`${name} has no model: set ${model.wanted.join(" or ")}`]),
  ]);
  if (more.length > 0) terminal.print("", ...more);
}

function renderPlace({ installed, program }: AgentFinding, style: Style): string {
  if (installed !== undefined) return installed;
  if (program === undefined) return style.dim("no");
  if (!program.isSeenByBoxes) return style.dim(`no (boxes do not see ${toPlainLine(program.path)})`);
  return `${toPlainLine(program.version ?? "?")} (${toPlainLine(program.path)})`;
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
