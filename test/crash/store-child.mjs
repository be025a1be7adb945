// A process that uses a store and can be killed. It is told what to do by its arguments and by lines on stdin,
// and says what happened by lines on stdout, each written before it goes on: what was printed has been returned.
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { streamTask } from "../../dist/index.js";
import { openPostgresStore } from "../../dist/store/postgres/index.js";
import { createBlobRef } from "../../dist/store/blob-digest.js";
import { openSqliteStore } from "../../dist/store/sqlite/index.js";
import { loadBinding } from "../../dist/store/sqlite/sqlite-binding.js";
import { FORMAT_VERSION } from "../../dist/store/sqlite/sqlite-format.js";
import { migrateFormat } from "../../dist/store/sqlite/sqlite-migration.js";

const [mode, path, options = "{}"] = process.argv.slice(2);
const {
  sessions = 4,
  open = 0,
  durability,
  leaseMs,
  size = 200,
  sessionId = "held",
  prefix = "s",
} = JSON.parse(options);

/** Writes to a pipe that may be full for a moment. */
function say(text) {
  let rest = Buffer.from(`${text}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

const delta = (index) => ({ type: "text.delta", text: `${index} `.padEnd(size, "·") });
const final = { type: "final", status: "completed", reason: "completed", usage: {}, durationMs: 0 };

/** Appends run after run, in batches of every size, several of them on their way at once. */
async function appendForever(store, id) {
  await store.create({ id, kind: "task" });
  const writer = await store.openWriter(id);
  for (let round = 0; ; round++) {
    const appends = [writer.append([{ type: "run.started", kind: "task", task: round }])];
    for (let index = 0; index < 30; index++)
      appends.push(writer.append(Array.from({ length: 1 + ((round + index) % 5) }, (_, at) => delta(at))));
    // Now and then an event that is stored in parts.
    if (round % 8 === 3)
      appends.push(writer.append([{ type: "text.delta", text: "é".repeat(2_500_000) }, delta(round)]));
    if (round % 3 !== 2) appends.push(writer.append([final]));
    else
      appends.push(
        writer.append([
          { type: "backend.failed", backend: "none", error: { name: "Error", message: "first", kind: "backend" } },
          final,
        ]),
      );
    for (const append of appends) for (const event of await append) say(JSON.stringify(event));
  }
}

/** Runs that complete, fail, and are left by their consumer, one after the other in one session; each event is printed as it comes. */
async function streamForever(store, id) {
  for (let round = 0; ; round++) {
    const backend = {
      kind: "crash",
      async *stream() {
        for (let index = 0; index < 40; index++) {
          if (index % 8 === 7) await new Promise((resolve) => setImmediate(resolve));
          yield index % 10 === 9 ? { type: "tool.started", toolCallId: `${index}`, toolName: "none" } : delta(index);
        }
        if (round % 3 === 1) throw new Error("first");
      },
      stop: () => new Promise((resolve) => setTimeout(resolve, 2)),
    };
    let events = 0;
    for await (const event of streamTask({ store, backend, task: `${round}`, sessionId: id, resume: round > 0 })) {
      say(JSON.stringify(event));
      events += 1;
      if (round % 3 === 2 && events === 20) break;
    }
  }
}

const modes = {
  async stream(store) {
    // Runs that are open whatever the others are doing, so that a recovery surely finds as many.
    for (let index = 0; index < open; index++) {
      await store.create({ id: `open-${index}`, kind: "task" });
      const writer = await store.openWriter(`open-${index}`);
      await writer.append([{ type: "run.started", kind: "task", task: "open" }]);
    }
    await Promise.all(Array.from({ length: sessions }, (_, index) => streamForever(store, `${prefix}-${index}`)));
  },
  /** Deletes what has ended, with logs of many segments beside it. */
  async prune(store) {
    for (let index = 0; index < 4; index++) {
      await store.create({ id: `old-${index}`, kind: "old" });
      const writer = await store.openWriter(`old-${index}`);
      await writer.append([{ type: "run.started", kind: "task", task: 0 }]);
      for (let batch = 0; batch < 300; batch++) await writer.append(Array.from({ length: 20 }, (_, at) => delta(at)));
      await writer.append([final]);
      await writer.close();
    }
    await store.prune({ kind: "old" });
    await store.close();
  },
  async append(store) {
    await Promise.all(Array.from({ length: sessions }, (_, index) => appendForever(store, `${prefix}-${index}`)));
  },
  /** Brings a session in, an event for each `next` on stdin, a large one among them, and a blob at the end. */
  async import(store) {
    const about = { id: sessionId, kind: "task", createdAt: 1 };
    const blob = Buffer.from("a blob of an import");
    const digest = createBlobRef(blob).digest;
    async function* records() {
      const at = { at: 1, sessionId, runId: "run" };
      const events = [
        { seq: 1, ...at, type: "run.started", kind: "task", task: "x" },
        { seq: 2, ...at, type: "text.delta", text: "é".repeat(2_500_000) },
        { seq: 3, ...at, type: "custom", name: "blob", data: { digest } },
        { seq: 4, ...at, ...final },
      ];
      yield { event: events[0], line: JSON.stringify(events[0]) };
      let next = 1;
      for await (const line of createInterface({ input: process.stdin })) {
        if (line !== "next") break;
        const event = events[next++];
        if (event === undefined) yield { blob, digest };
        else yield { event, line: JSON.stringify(event) };
        say(`took ${next}`);
      }
      process.stdin.destroy();
    }
    say("begun 1");
    const session = await store.importSession(about, records()).then(
      ({ lastSeq }) => `imported ${lastSeq}`,
      (error) => `refused ${error.code} ${error.message}`,
    );
    say(session);
    await store.close();
  },
  async recover(store) {
    say(JSON.stringify(await store.recover()));
    await store.close();
  },
  /** Holds one session: `append` on stdin appends an event and says how it went. */
  async hold(store) {
    if ((await store.get(sessionId)) === undefined) await store.create({ id: sessionId, kind: "task" });
    const writer = await store.openWriter(sessionId, leaseMs === undefined ? {} : { leaseMs });
    writer.lost.addEventListener("abort", () => say(`lost ${writer.lost.reason.code}`));
    await writer.append([{ type: "run.started", kind: "task", task: "hold" }]);
    say("holding");
    for await (const line of createInterface({ input: process.stdin })) {
      if (line === "close") break;
      await writer.append([delta(0)]).then(
        ([event]) => say(`stored ${event.seq}`),
        (error) => say(`refused ${error.name} ${error.code}`),
      );
    }
    process.stdin.destroy();
    await store.close();
  },
};

/** A step to a format that does not exist yet, over the file as it lies there. */
async function migrate() {
  const Binding = await loadBinding();
  const database = new Binding(path, { timeout: 1000 });
  const step = (database) => void database.exec("ALTER TABLE sessions ADD COLUMN later TEXT; DELETE FROM segments");
  migrateFormat(database, path, FORMAT_VERSION + 1, [{ from: FORMAT_VERSION, migrate: step }]);
}

const openStore = path.startsWith("postgres:") ? openPostgresStore : openSqliteStore;
if (mode === "migrate") await migrate();
else await modes[mode](await openStore(path, { ...(durability && { durability }), ...(leaseMs && { leaseMs }) }));
