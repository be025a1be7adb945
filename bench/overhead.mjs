// What Skein itself costs, against the same work without it, in one run:
// - the stream's own time per event (memory store), against a plain `for await` over the same events;
// - the kernel's own time per iteration (memory store, boxes that answer at once), against calling the same boxes in a plain loop,
//   and whether it depends on how many iterations there were before (K12).
import { openMemoryStore, runLoop, streamTask } from "skein";
import { createIterableBackend } from "skein/backend/iterable";

const EVENTS = 20_000;
const REPEATS = 7;

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const micros = (ms) => `${(ms * 1000).toFixed(1)} µs`;

async function* words(count) {
  for (let index = 0; index < count; index++) yield { type: "text.delta", text: `word ${index} ` };
}

/** Milliseconds of processor time, which others on the machine disturb less than the wall clock: nothing here waits for anything. */
function processorTime(since) {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

/** The median over several runs, after one that does not count. */
async function time(work) {
  await work();
  const times = [];
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    globalThis.gc?.();
    const before = process.cpuUsage();
    await work();
    times.push(processorTime(before));
  }
  return median(times);
}

// ── the stream ──

const plainStream = await time(async () => {
  const kept = [];
  for await (const event of words(EVENTS)) kept.push(JSON.stringify(event));
});

const skeinStream = await time(async () => {
  const store = await openMemoryStore();
  const kept = [];
  for await (const event of streamTask({
    task: "count",
    backend: createIterableBackend("words", () => words(EVENTS)),
    store,
  }))
    kept.push(event);
  await store.close();
});

const perEvent = (skeinStream - plainStream) / EVENTS;
console.log(
  `stream: ${micros(perEvent)} of its own per event (${EVENTS} events; ${micros(skeinStream / EVENTS)} with Skein, ${micros(plainStream / EVENTS)} without: ${(skeinStream / plainStream).toFixed(1)}×)`,
);

// ── the kernel ──

let boxes = 0;

function createBox() {
  boxes++;
  return {
    id: `box_${boxes}`,
    async *streamPrompt(prompt, { turnId = "turn" } = {}) {
      yield { type: "text.delta", text: prompt, turn: { id: turnId, seq: 1 } };
      yield { type: "text.delta", text: " done", turn: { id: turnId, seq: 2 } };
    },
    async delete() {},
  };
}

const client = { create: async () => createBox() };

/** One task in each round, so that each iteration comes after all the others. */
const oneByOne = (count) => ({
  name: "one-by-one",
  plan: (task, history) => (history.length < count ? [`${task} ${history.length}`] : []),
  decide: () => "continue",
});

const textOf = (events) =>
  events
    .filter((event) => event.type === "text.delta")
    .map((event) => event.text)
    .join("");

async function plainLoop(count) {
  const outputs = [];
  for (let index = 0; index < count; index++) {
    const box = await client.create();
    const events = [];
    for await (const event of box.streamPrompt(`task ${index}`)) events.push(event);
    outputs.push(textOf(events));
    await box.delete();
  }
  return outputs;
}

async function skeinLoop(count) {
  const store = await openMemoryStore();
  await runLoop({
    task: "task",
    driver: oneByOne(count),
    agentRun: { profile: { name: "echo" }, taskToPrompt: (task) => task },
    output: { parse: textOf },
    sandboxClient: client,
    store,
    maxIterations: count,
  });
  await store.close();
}

const perIteration = new Map();
for (const count of [50, 200, 800]) {
  // As many iterations in each measurement, so that the short ones are as exact as the long one.
  const rounds = 800 / count;
  const repeat = async (loop) => {
    for (let round = 0; round < rounds; round++) await loop(count);
  };
  const plain = (await time(() => repeat(plainLoop))) / rounds;
  const skein = (await time(() => repeat(skeinLoop))) / rounds;
  perIteration.set(count, (skein - plain) / count);
  console.log(
    `kernel: ${micros((skein - plain) / count)} of its own per iteration (${count} iterations; ${micros(skein / count)} with Skein, ${micros(plain / count)} without)`,
  );
}
console.log(
  `kernel: an iteration among 800 costs ${(perIteration.get(800) / perIteration.get(50)).toFixed(2)} times one among 50`,
);
