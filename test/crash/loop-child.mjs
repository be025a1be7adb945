// A loop over real boxes and a real database, for the test beside this file to kill. Prints each stored event of the loop, and its result at the end.
import { join } from "node:path";
import { fanout, runLoop } from "../../dist/index.js";
import { openLocalSandbox } from "../../dist/sandbox/local/index.js";
import { openSqliteStore } from "../../dist/store/sqlite/index.js";

const [mode, directory, sessionId] = process.argv.slice(2);

const store = await openSqliteStore(join(directory, "skein.db"));
const sandboxClient = await openLocalSandbox({ directory: join(directory, "boxes") });

/** What the agent recalls: the words of its own conversation, its parent's first. */
const recalled = (events) => {
  const text = events.map((event) => (event.type === "text.delta" ? event.text : "")).join("");
  return text.slice(text.indexOf("recalls:"));
};

const result = await runLoop({
  task: { round: 0 },
  driver: fanout({
    k: 2,
    prepare: true,
    rounds: 2,
    split: (_task, k, history) => Array.from({ length: k }, (_, n) => ({ round: history.length + n })),
  }),
  agentRun: {
    profile: { name: "scripted", agent: "scripted" },
    taskToPrompt: ({ round }) =>
      `chunks 40\nremember w${round}\nwrite notes-${round}.txt ${round}\nsay recalls:\nrecall`,
    box: { claimMs: 120_000 },
  },
  output: { parse: recalled },
  validator: {
    validate: (output, { iteration }) => ({ valid: iteration >= 3, score: output.length - iteration / 100 }),
  },
  sandboxClient,
  store,
  sessionId,
  resume: mode === "resume",
  lineage: { forkFanout: true, sessionContinuity: true },
  maxConcurrency: 2,
  onEvent: (event) => process.stdout.write(`${JSON.stringify(event)}\n`),
});
const { status, winner, iterations } = result;
const summary = {
  status,
  winner: winner?.iterationIndex,
  iterations: iterations.map(({ index, round, parentIndex, output, verdict, error }) => ({
    index,
    round,
    parentIndex,
    output,
    verdict,
    error: error?.message,
  })),
};
process.stdout.write(`RESULT ${JSON.stringify(summary)}\n`);
await sandboxClient.close();
await store.close();
