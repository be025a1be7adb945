// The kernel's own cost of an iteration: whether it depends on how many there were before (K12), how many bytes it leaves in the log,
// and what the same number of steps costs in LangGraph.js, with the memory stores of both and with the SQLite stores of both.
// Each side of a comparison runs in a process of its own, in turns: LangGraph.js works with AsyncLocalStorage, and from the first use of that on
// every promise of its process costs more, ours included. It is installed by `npm run bench -- peers`; without it only the first part is measured.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { openMemoryStore, runLoop } from "skein";
import { openSqliteStore } from "skein/store/sqlite";

const SIZES = [10, 1_000, 10_000];
/** Of one loop, by store: each step on the disk waits for it. Both sides have made five loops when the clock starts, so that both are compiled. */
const PEER_STEPS = { memory: 1_000, process: 1_000, disk: 250 };
const WARM_UP = 5;

const ROUNDS = 3;

const peers = fileURLToPath(new URL("./peers/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "skein-bench-"));

const client = {
  async create() {
    return {
      id: "box",
      async *streamPrompt(prompt) {
        yield { type: "text.delta", text: prompt };
      },
      async delete() {},
    };
  },
};

async function skein(count, store) {
  const { sessionId } = await runLoop({
    task: "step",
    driver: {
      name: "one by one",
      plan: (task) => [task],
      decide: (history) => (history.length < count ? "go on" : "done"),
    },
    agentRun: { profile: { name: "echo" }, taskToPrompt: (task) => task },
    output: { parse: (events) => events.length },
    sandboxClient: client,
    store,
    maxIterations: count,
  });
  return sessionId;
}

/** Microseconds of processor time for each of `count` steps: the least of several runs, which others on the machine disturbed least. */
async function measure(count, work, { open = async () => undefined, repeats = 3 } = {}) {
  const times = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    const store = await open();
    const before = process.cpuUsage();
    await work(store);
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / count);
    await store?.close?.();
  }
  return Math.min(...times);
}

async function bytesOf(store, sessionId) {
  let bytes = 0;
  for (const { id } of [{ id: sessionId }, ...(await store.list({ parentId: sessionId }))]) {
    for await (const event of store.read(id)) bytes += JSON.stringify(event).length + 1;
  }
  return bytes;
}

const fixed = (value) => value.toFixed(value < 10 ? 2 : 0);
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

let files = 0;
const nextFile = () => join(folder, `${++files}.db`);

/** What one side does, and how the store for it is opened; opening and closing count for neither side. */
const ours = {
  work: skein,
  open: {
    memory: () => openMemoryStore(),
    process: () => openSqliteStore(nextFile(), { durability: "process" }),
    disk: () => openSqliteStore(nextFile(), { durability: "disk" }),
  },
};

async function loadTheirs() {
  const require = createRequire(join(peers, "package.json"));
  const load = (name) => import(pathToFileURL(require.resolve(name)).href);
  const { Annotation, END, MemorySaver, START, StateGraph } = await load("@langchain/langgraph");
  const { SqliteSaver } = await load("@langchain/langgraph-checkpoint-sqlite");
  const State = Annotation.Root({ step: Annotation({ reducer: (_before, after) => after, default: () => 0 }) });
  const langGraph = async (steps, checkpointer) => {
    const graph = new StateGraph(State)
      .addNode("work", async ({ step }) => ({ step: step + 1 }))
      .addEdge(START, "work")
      .addConditionalEdges("work", ({ step }) => (step < steps ? "work" : END))
      .compile({ checkpointer });
    await graph.invoke({ step: 0 }, { configurable: { thread_id: "thread" }, recursionLimit: steps + 10 });
  };
  const onDisk = async () => SqliteSaver.fromConnString(nextFile());
  return { work: langGraph, open: { memory: async () => new MemorySaver(), process: onDisk, disk: onDisk } };
}

async function measureSide(side, store) {
  const { work, open } = side === "ours" ? ours : await loadTheirs();
  const steps = PEER_STEPS[store];
  const run = (opened) => work(steps, opened);
  await measure(steps, run, { open: open[store], repeats: WARM_UP });
  console.log(await measure(steps, run, { open: open[store] }));
}

function runSide(side, store) {
  const { stdout, stderr, status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), side, store], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  return Number(stdout.trim().split("\n").at(-1));
}

async function measureFlatness() {
  await skein(500, await openMemoryStore());
  const perIteration = [];
  for (const count of SIZES) {
    // As many iterations in each measurement, so that the short ones are as exact as the long one.
    const rounds = Math.max(1, 1_000 / count);
    let bytes = 0;
    const time = await measure(count * rounds, async () => {
      for (let round = 0; round < rounds; round++) {
        const store = await openMemoryStore();
        const sessionId = await skein(count, store);
        if (round === 0) bytes = (await bytesOf(store, sessionId)) / count;
        await store.close();
      }
    });
    perIteration.push(time);
    console.log(`${count} iterations, memory store: ${fixed(time)} µs and ${fixed(bytes)} bytes of log each`);
  }
  console.log(
    `one among ${SIZES.at(-1)} costs ${fixed(perIteration.at(-1) / perIteration[1])} times one among ${SIZES[1]}`,
  );
}

function compare(what, store) {
  const times = { ours: [], theirs: [] };
  for (let round = 0; round < ROUNDS; round++)
    for (const side of Object.keys(times)) {
      times[side].push(runSide(side, store));
      console.error(`  ${what}, round ${round + 1} of ${ROUNDS}, ${side}: ${fixed(times[side].at(-1))} µs`);
    }
  const ratios = times.theirs.map((time, round) => time / times.ours[round]);
  console.log(
    `${what}: Skein ${fixed(median(times.ours))} µs, LangGraph.js ${fixed(median(times.theirs))} µs each: ${fixed(median(ratios))} times as much`,
  );
}

const [side, storeName] = process.argv.slice(2);
try {
  if (side !== undefined && storeName !== undefined) {
    await measureSide(side, storeName);
  } else {
    await measureFlatness();
    if (!existsSync(join(peers, "node_modules"))) {
      console.log("LangGraph.js is not installed: `npm run bench -- peers` installs it.");
    } else {
      compare("memory", "memory");
      compare("SQLite, durability process (LangGraph.js has one)", "process");
      compare("SQLite, durability disk (LangGraph.js has one)", "disk");
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
