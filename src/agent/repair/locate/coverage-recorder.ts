/**
 * Loaded with `--import` into a test file that is run by itself: writes, for each test, which functions and blocks
 * it executed. Per-test coverage from one run is what makes the ranking of suspicious lines both sharp and cheap.
 * Not imported by the agent: it runs in the process of the package under repair, and must never disturb it.
 */
import { appendFileSync } from "node:fs";
import { Session, type Profiler } from "node:inspector";
import { afterEach, beforeEach } from "node:test";
import { pathToFileURL } from "node:url";

const out = process.env["SKEIN_REPAIR_COVERAGE"];
if (out !== undefined) {
  const session = new Session();
  session.connect();
  session.post("Profiler.enable");
  session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  const root = pathToFileURL(`${process.cwd()}/`).href;

  /** What ran since the last call; the inspector in its own process answers before `post` returns. */
  const take = (): Profiler.ScriptCoverage[] => {
    let scripts: Profiler.ScriptCoverage[] = [];
    session.post("Profiler.takePreciseCoverage", (error, answer) => {
      if (!error) scripts = answer.result;
    });
    return scripts.filter((script) => script.url.startsWith(root) && !script.url.includes("/node_modules/"));
  };
  const write = (test: string | undefined): void => {
    appendFileSync(out, `${JSON.stringify({ test, scripts: take() })}\n`);
  };

  // What ran before the first test is loading, kept apart: `test` is absent in its line.
  let loading = true;
  beforeEach(() => {
    if (loading) write(undefined);
    else take();
    loading = false;
  });
  afterEach((context) => {
    const named = context as { fullName?: string; name: string };
    write(named.fullName ?? named.name);
  });
  process.on("exit", () => {
    if (loading) write(undefined);
  });
}
