import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { applyEdit, type Edit, toEditTitle } from "./edits/edit.ts";
import { generateEdits, isReadable } from "./edits/generate-edits.ts";
import { CandidateQueue } from "./locate/candidate-queue.ts";
import { toHintsAt } from "./locate/failure-hints.ts";
import { listSources } from "./locate/list-sources.ts";
import { type FailingFile, locateFailures } from "./locate/locate-failures.ts";
import { rankEdits } from "./locate/rank-edits.ts";
import { failingTestsAt, type Spectrum, toSuspicion } from "./locate/suspicion.ts";
import { measureTry, toTimeLimit, type TryResult } from "./measure-try.ts";
import { openTargetPackage, type TargetPackage } from "./measure/target-package.ts";
import { isAllPassing, type TestReport, toScore } from "./measure/test-report.ts";
import { runTestSuite, type TestRun } from "./measure/test-runner.ts";
import type { RepairLimits } from "./repair-limits.ts";
import { EditJournal, toProgramState } from "./session/edit-journal.ts";
import { listKept, type MemoryFolder, type RepairMemory } from "./session/repair-memory.ts";
import { describeEnd, type RepairOutcome, type TurnEnd } from "./turn-end.ts";
import type { TurnNarrator } from "./turn-narrator.ts";

export interface RepairTurn {
  readonly root: string;
  readonly memory: RepairMemory;
  readonly folder: MemoryFolder;
  readonly limits: RepairLimits;
  readonly narrator: TurnNarrator;
  readonly signal: AbortSignal;
  readonly prompt: string;
}

/**
 * One turn: run the tests, find the code that the failing ones execute, and try small edits of it, the likeliest first,
 * until the tests pass, the turn's budget is used up or nothing is left to try. Whatever ends it, the workspace holds
 * the best program so far, and the memory everything that was tried.
 */
export async function runRepairTurn(turn: RepairTurn): Promise<TurnEnd> {
  const { narrator, memory } = turn;
  const journal = new EditJournal(turn.root, turn.folder, memory);
  const triesBefore = memory.tries.length;
  const finish = async (outcome: RepairOutcome, report: TestReport | undefined, reason: string): Promise<TurnEnd> => {
    const end: TurnEnd = {
      outcome,
      report,
      reason,
      turnTries: memory.tries.length - triesBefore,
      cancelled: turn.signal.aborted,
    };
    await narrator.step(4);
    await narrator.say(describeEnd(end, memory));
    return end;
  };

  const recovered = await journal.recover();
  if (recovered) await narrator.think(`An earlier try was interrupted; ${recovered.file} is as it was before it.\n`);

  const opened = await openTargetPackage(turn.root, process.env);
  if (!opened.ok) return finish("no-tests", undefined, opened.reason);
  const { target } = opened;

  await narrator.step(0);
  const first = await runWholeSuite(turn, target);
  if (first.ended !== "by-itself") return finish("could-not-repair", undefined, describeUnusable(first, turn.limits));
  memory.startedWith ??= { passed: first.report.passed, failed: first.report.failed };
  const progress = (): RepairOutcome => (listKept(memory).length > 0 ? "improved" : "could-not-repair");
  if (isAllPassing(first.report)) {
    return finish(progress() === "improved" ? "repaired" : "nothing-to-repair", first.report, "every test passes");
  }

  let report = first.report;
  let spentMs = 0;
  const seed = turn.limits.seed === undefined ? freshSeed() : `${turn.limits.seed}|${memory.turns}`;
  const whyStop = (): string | undefined => {
    if (turn.signal.aborted) return "it was cancelled";
    if (memory.tries.length - triesBefore >= turn.limits.tries) return "this turn's tries are used up";
    return spentMs >= turn.limits.seconds * 1000 ? "this turn's time is used up" : undefined;
  };
  for (;;) {
    const search = await findCandidates(turn, target, report, seed);
    if (search.candidates.size === 0) return finish(progress(), report, whyStop() ?? search.reason);
    await narrator.step(2);
    let kept: TryResult | undefined;
    for (let candidate = search.candidates.next(); candidate && !kept; candidate = search.candidates.next()) {
      const { edit } = candidate;
      const stop = whyStop();
      if (stop !== undefined) return finish(progress(), report, stop);
      const attempt = {
        target,
        search,
        edit,
        baseline: report,
        failingFiles: filesToAsk(search, edit),
        suiteMs: first.durationMs,
      };
      const result = await tryEdit(turn, journal, attempt);
      spentMs += result?.durationMs ?? 0;
      if (!result?.better) continue;
      kept = result;
      // Some tests may pass for the wrong reason: where others still fail there, the line's other edits get their chance.
      const isPartial = failingTestsAt(search.spectrum, edit).some((name) => result.report.tests?.get(name) === false);
      const rivals = isPartial ? search.candidates.takeRivals(candidate, RIVALS) : [];
      let replaces = memory.tries.length;
      for (const rival of rivals) {
        if (whyStop() !== undefined || isAllPassing(kept.report)) break;
        const challenge = { ...attempt, edit: rival, baseline: kept.report, failingFiles: [], replaces };
        const better = await tryEdit(turn, journal, challenge);
        spentMs += better?.durationMs ?? 0;
        if (better?.better) [kept, replaces] = [better, memory.tries.length];
      }
      report = kept.report;
    }
    if (isAllPassing(report)) return finish("repaired", report, "every test passes");
    if (!kept) return finish(progress(), report, whyStop() ?? "nothing is left to try");
  }
}

/** The failing test files that an edit can help: those with a failing test that executes its place. */
function filesToAsk({ spectrum, failingFiles }: Search, edit: Edit): readonly FailingFile[] {
  const names = failingTestsAt(spectrum, edit);
  const asked = failingFiles.filter(({ report }) => names.some((name) => report.tests?.get(name) === false));
  return asked.length > 0 ? asked : failingFiles;
}

/** How many other edits of a line are compared with one that repairs only some of the failing tests. */
const RIVALS = 3;

interface Attempt {
  readonly target: TargetPackage;
  readonly search: Search;
  readonly edit: Edit;
  /** What has to be surpassed. */
  readonly baseline: TestReport;
  readonly failingFiles: readonly FailingFile[];
  readonly suiteMs: number;
  /** The kept try that this one is an alternative to: it starts from the program before that one. */
  readonly replaces?: number;
}

interface Search {
  readonly sources: ReadonlyMap<string, string>;
  readonly failingFiles: readonly FailingFile[];
  readonly spectrum: Spectrum;
  readonly candidates: CandidateQueue;
  readonly tried: ReadonlySet<string>;
  readonly reason: string;
}

async function runWholeSuite(turn: RepairTurn, target: TargetPackage): Promise<TestRun> {
  const end = await turn.narrator.tool(`run the tests of ${target.name}`, "execute");
  const run = await runTestSuite(target, toRunOptions(turn));
  await end({
    text: run.ended === "by-itself" ? toScore(run.report) : describeUnusable(run, turn.limits),
    failed: run.ended !== "by-itself",
    ...(run.ended === "by-itself" ? { output: { passed: run.report.passed, failed: run.report.failed } } : {}),
  });
  return run;
}

async function findCandidates(
  turn: RepairTurn,
  target: TargetPackage,
  report: TestReport,
  seed: string,
): Promise<Search> {
  const { memory, narrator } = turn;
  await narrator.step(1);
  const end = await narrator.tool("see which code the failing tests execute", "search");
  const located = await locateFailures(target, report, toRunOptions(turn));
  const sources = await listSources(turn.root);
  // Only what a failing test executes can be its bug; a file that none of them loads need not even be looked at.
  const executed = new Set(located.spectrum.tests.flatMap((test) => (test.failed ? [...test.files.keys()] : [])));
  const { edits, unreadable } = generateEdits(sources, (file) => executed.size === 0 || executed.has(file));
  const failures =
    located.failingFiles.length > 0 ? located.failingFiles.flatMap((file) => file.report.failures) : report.failures;
  const ranked = rankEdits({
    edits,
    suspicion: toSuspicion(located.spectrum, sources),
    hintsAt: toHintsAt(located.spectrum, failures),
    triedBefore: new Set(memory.tries.map((one) => one.key)),
    namedFiles: new Set([...sources.keys()].filter((file) => turn.prompt.includes(file))),
    seed,
  });
  const tried = toTriedStates(memory);
  const places = [...new Set(ranked.slice(0, 12).map(({ edit }) => `${edit.file}:${edit.line}`))];
  const fileCount = new Set(ranked.map(({ edit }) => edit.file)).size;
  await end({ text: `${ranked.length} possible edits in ${fileCount === 1 ? "1 file" : `${fileCount} files`}` });
  if (ranked.length > 0) {
    const tests = failures.slice(0, 5).map((failure) => `“${failure.name}”`);
    await narrator.think(
      `Failing: ${tests.join(", ")}${failures.length > 5 ? ", …" : ""}. Most suspicious: ${places.slice(0, 6).join(", ")}.\n`,
    );
  }
  const broken = [...unreadable].map(([file, reason]) => `${file} cannot be parsed: ${reason}`);
  const reason =
    broken.length > 0
      ? broken.join("; ")
      : sources.size === 0
        ? "there is no JavaScript source here apart from the tests"
        : "the failing tests execute no code that I can edit";
  return {
    sources,
    spectrum: located.spectrum,
    failingFiles: located.failingFiles,
    candidates: new CandidateQueue(ranked, memory.tries),
    tried,
    reason,
  };
}

/** Tests one edit and keeps it or takes it back. Undefined where it was tested before or is no JavaScript. */
async function tryEdit(turn: RepairTurn, journal: EditJournal, attempt: Attempt): Promise<TryResult | undefined> {
  const { memory, narrator } = turn;
  const { edit, search, replaces } = attempt;
  const source = search.sources.get(edit.file) as string;
  const edited = applyEdit(source, edit);
  const state = toProgramState(search.sources, edit.file, edited);
  if (search.tried.has(state) || !isReadable(source, edit)) return undefined;
  const number = memory.tries.length + 1;
  const isAgain = memory.tries.some((one) => one.key === edit.key);
  const title = toEditTitle(edit, source) + (isAgain ? "  (again, on a program that has changed since)" : "");
  const path = join(turn.root, edit.file);
  const end = await narrator.tool(`try ${number}: ${title}`, "edit", { path, line: edit.line });
  const original = replaces === undefined ? source : await readFile(path, "utf8");
  await journal.begin(
    {
      number,
      file: edit.file,
      line: edit.line,
      title,
      key: edit.key,
      state,
      original,
      ...(replaces === undefined ? {} : { replaces }),
    },
    edited,
  );
  const timeoutMs = Math.min(turn.limits.commandSeconds * 1000, toTimeLimit(attempt.suiteMs));
  const result = await measureTry(attempt.target, attempt.baseline, attempt.failingFiles, {
    ...toRunOptions(turn),
    timeoutMs,
  });
  if (result.ended === "aborted") {
    await journal.undo();
    await end({ text: "cancelled, and taken back", failed: true });
    return result;
  }
  const counts = { passed: result.report.passed, failed: result.report.failed };
  const outcome = result.better ? "kept" : result.ended === "timed-out" ? "timed-out" : "no-better";
  search.candidates.learn(edit, result.effect);
  await journal.end({ outcome, effect: result.effect, ...(outcome === "timed-out" ? {} : counts) });
  const keeping = replaces === undefined ? ": kept" : `: kept in place of try ${replaces}`;
  await end({
    text:
      outcome === "timed-out"
        ? "the tests do not end any more"
        : `${toScore(result.report)}${result.better ? keeping : ""}`,
    ...(result.better ? { diff: { path, oldText: original, newText: edited } } : {}),
    output: { outcome, ...(outcome === "timed-out" ? {} : counts) },
  });
  return result;
}

/** Programs that are not tested again. One interrupted try may be chance, the second is the edit's doing. */
function toTriedStates(memory: RepairMemory): Set<string> {
  const interrupted = memory.tries.filter((one) => one.outcome === "interrupted").map((one) => one.state);
  const ended = memory.tries.filter((one) => one.outcome !== "interrupted").map((one) => one.state);
  return new Set([...ended, ...interrupted.filter((state, index) => interrupted.indexOf(state) !== index)]);
}

function toRunOptions(turn: RepairTurn): { timeoutMs: number; maxOutputBytes: number; signal: AbortSignal } {
  return { timeoutMs: turn.limits.commandSeconds * 1000, maxOutputBytes: turn.limits.outputBytes, signal: turn.signal };
}

function describeUnusable(run: TestRun, limits: RepairLimits): string {
  switch (run.ended) {
    case "timed-out":
      return `the tests did not end within ${limits.commandSeconds} seconds`;
    case "too-much-output":
      return `the tests print more than ${Math.round(limits.outputBytes / 1024 / 1024)} MB`;
    case "aborted":
      return "it was cancelled";
    default:
      return "the test command cannot be started";
  }
}

/** Time is mixed in: processes that were forked with their memory share the state of their random generators. */
function freshSeed(): string {
  return `${randomBytes(12).toString("hex")}${process.hrtime.bigint()}${Date.now()}`;
}
