import { join, resolve } from "node:path";
import { createId } from "../../internal/ids.ts";
import type { Runtime } from "../../runtime/open-runtime.ts";
import { createRunRedactor } from "../agent-options.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { openData } from "../open-data.ts";
import { EXIT } from "../exit-codes.ts";
import { type Example, type ExampleOutcome, readExamples } from "../read-example.ts";
import { formatDuration, formatScore } from "../../view/format-figures.ts";
import { toPlainLine, wrapText } from "../../view/plain-text.ts";
import { renderTable } from "../render/render-table.ts";
import { watchPackageLoop } from "../watch-package-loop.ts";

export interface ExamplesOptions extends CommonOptions {
  readonly only?: string;
}

/** Enough for every example that can be repaired, and an early end for those that cannot. */
const MAX_ITERATIONS = 3;
const CHECK_TIMEOUT_MS = 30_000;
/** What one turn of the repair agent may take: several short turns show more than one long one. */
const TURN_SECONDS = "8";

interface ExampleResult {
  readonly example: Example;
  readonly outcome: ExampleOutcome;
  readonly iterations: number;
  readonly score?: number;
  readonly durationMs: number;
  readonly sessionId: string;
}

export async function runExamples(line: CommandLine, folder: string, options: ExamplesOptions): Promise<void> {
  const { terminal, interrupt } = line;
  const { style } = terminal;
  const json = options.json === true;
  const path = resolve(line.cwd, options.only === undefined ? folder : join(folder, options.only));
  const examples = await readExamples(path);
  await using runtime = await openData(line, options, { need: "write" });
  const results: ExampleResult[] = [];
  for (const [index, example] of examples.entries()) {
    if (interrupt.signal.aborted) break;
    if (!json) {
      terminal.print(
        "",
        `${style.bold(`${index + 1}/${examples.length}  ${example.title}`)}  ${style.dim(`${example.name}, expected: ${toWords(example.expect)}`)}`,
      );
      terminal.print(...wrapText(toPlainLine(example.bugs), terminal.columns()).map((text) => style.dim(text)));
    }
    const result = await repairExample(line, runtime, example, options);
    if (result !== undefined) results.push(result);
  }
  const asExpected =
    results.length === examples.length && results.every(({ example, outcome }) => outcome === example.expect);
  if (json)
    terminal.printJson({
      asExpected,
      examples: results.map(({ example, ...rest }) => ({ name: example.name, expect: example.expect, ...rest })),
    });
  else terminal.print("", ...renderResults(results, line), "", renderVerdict(results, examples.length, line));
  line.exit(asExpected ? EXIT.done : EXIT.failed);
}

async function repairExample(
  line: CommandLine,
  runtime: Runtime,
  example: Example,
  options: CommonOptions,
): Promise<ExampleResult | undefined> {
  const startedAt = line.now();
  const agentEnv = { SKEIN_REPAIR_SECONDS: TURN_SECONDS };
  const watched = await watchPackageLoop(
    line,
    runtime,
    {
      prompt: example.prompt,
      title: example.title,
      ...(example.isWhole ? { workspace: example.directory } : {}),
      files: example.files,
      check: ["npm", "test"],
      checkTimeoutMs: CHECK_TIMEOUT_MS,
      profile: { name: "repair", agent: "repair" },
      agentEnv,
      driver: { name: "refine", k: 1, continues: true, forks: false },
      // Each round goes on where the last one stopped, so nothing is tried twice.
      lineage: { sessionContinuity: true },
      maxIterations: MAX_ITERATIONS,
      maxConcurrency: 1,
      redact: createRunRedactor(agentEnv, line.env),
    },
    { sessionId: createId("loop"), options, quiet: options.json === true },
  );
  if (watched.status === "aborted") return undefined;
  const { winner, iterations } = watched.progress;
  return {
    example,
    outcome: watched.status === "completed" ? "repaired" : "could-not-repair",
    iterations: iterations.length,
    ...(winner?.verdict === undefined ? {} : { score: winner.verdict.score }),
    durationMs: line.now() - startedAt,
    sessionId: watched.sessionId,
  };
}

const toWords = (outcome: ExampleOutcome): string => (outcome === "repaired" ? "repaired" : "could not repair");

/** The first characters of an id without its kind: every command takes them for the whole. */
function shortenId(id: string): string {
  return id.slice(id.indexOf("_") + 1).slice(0, 8);
}

function renderResults(results: readonly ExampleResult[], { terminal }: CommandLine): string[] {
  const { style } = terminal;
  const columns = [
    { title: "example", shrink: true as const },
    { title: "expected" },
    { title: "outcome" },
    { title: "tries", align: "right" as const },
    { title: "score", align: "right" as const },
    { title: "sec", align: "right" as const },
    { title: "session" },
  ];
  const rows = results.map(({ example, outcome, iterations, score, durationMs, sessionId }) => [
    example.name,
    toWords(example.expect),
    (outcome === example.expect ? style.green : style.red)(toWords(outcome)),
    String(iterations),
    score === undefined ? "–" : formatScore(score),
    (durationMs / 1000).toFixed(1),
    // The beginning is enough to name it, and leaves room for the rest on a narrow screen.
    shortenId(sessionId),
  ]);
  return renderTable(columns, rows, style, terminal.columns());
}

function renderVerdict(results: readonly ExampleResult[], total: number, { terminal }: CommandLine): string {
  const { style } = terminal;
  const repaired = results.filter(({ outcome }) => outcome === "repaired").length;
  const surprises = results
    .filter(({ example, outcome }) => outcome !== example.expect)
    .map(({ example }) => example.name);
  const time = formatDuration(results.reduce((sum, { durationMs }) => sum + durationMs, 0));
  const summary = `${repaired} of ${total} repaired in ${time}`;
  if (results.length < total) return style.yellow(`${summary}; ${total - results.length} were not tried.`);
  return surprises.length === 0
    ? style.green(`${summary}, as expected.`)
    : style.red(`${summary}; not as expected: ${surprises.join(", ")}.`);
}
