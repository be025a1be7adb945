/**
 * Keeps a session in an SQLite file: a reader goes on exactly where it stopped, and a second run goes on where the first one ended,
 * as another process would.
 */
import { runTask } from "skein";
import type { Backend } from "skein";
import { openSqliteStore } from "skein/store/sqlite";

/** Reads a list of chapters aloud; knows from the log which ones it has read. */
const reader: Backend = {
  kind: "reader",
  async *stream({ prompt }, { history }) {
    const read = new Set<string>();
    for await (const event of history()) if (event.type === "custom") read.add(String(event.data));
    for (const chapter of ["one", "two", "three"]) {
      if (read.has(chapter)) continue;
      yield { type: "custom", name: "chapter", data: chapter };
      if (prompt === "read one") return;
    }
  },
};

{
  await using store = await openSqliteStore("book.db");
  const first = await runTask({ task: "read one", backend: reader, store, sessionId: "book" });
  console.log(`first run: ${first.status}`);
}

// Everything is closed; this could be another process on another day.
await using store = await openSqliteStore("book.db");
const cursor = (await store.get("book"))?.lastSeq ?? 0;
const second = await runTask({ task: "read on", backend: reader, store, sessionId: "book", resume: true });
console.log(`second run: ${second.status}`);

for await (const event of store.read("book", { after: cursor })) {
  console.log(event.seq, event.type, event.type === "custom" ? event.data : "");
}

// prints: first run: completed
// prints: second run: completed
// prints: 10 custom two
// prints: 11 custom three
