import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { EVENT_TYPES } from "../../dist/event/event-schema.js";
import { STORED_FORMAT, upcastEvent } from "../../dist/event/upcast.js";
import { exportSession, importSession, openMemoryStore, parseStoredEvent } from "../../dist/index.js";
import type { SessionStore, StoredEvent } from "../../dist/index.js";
import { openSqliteStore } from "../../dist/store/sqlite/index.js";
import { loadBinding } from "../../dist/store/sqlite/sqlite-binding.js";
import { FORMAT_VERSION } from "../../dist/store/sqlite/sqlite-format.js";
import { upcastLog } from "../../dist/store/sqlite/upcast-log.js";

const FIXTURES = fileURLToPath(new URL("../fixtures/", import.meta.url));
const FORMATS = readdirSync(FIXTURES).filter((name) => name.startsWith("format-"));

const folder = mkdtempSync(join(tmpdir(), "skein-formats-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function readAll(store: SessionStore): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.read("every-event")) events.push(event);
  return events;
}

async function exportLines(store: SessionStore): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of exportSession(store, "every-event")) lines.push(line);
  return lines;
}

it("has a fixture of every format that was ever stored", () => {
  expect(FORMATS.map((name) => Number(name.slice("format-".length))).sort((a, b) => a - b)).toEqual(
    Array.from({ length: FORMAT_VERSION }, (_, index) => index + 1),
  );
});

describe.each(FORMATS)("%s", (format) => {
  const file = join(FIXTURES, format, "every-event.ndjson");
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  const header = JSON.parse(lines[0] ?? "") as { readonly format: number };
  // Where only the tables changed since, the events are the same bytes.
  const hasNewestEvents = header.format === STORED_FORMAT;

  it("L4: reads every type of event that a database of it holds", async () => {
    const path = join(folder, `${format}.db`);
    copyFileSync(join(FIXTURES, format, "every-event.db"), path);
    const store = await openSqliteStore(path);
    const events = await readAll(store);
    for (const event of events) expect(parseStoredEvent(JSON.stringify(event))).toEqual(event);
    const types = new Set(events.map(({ type }) => type));
    // Types that are younger than the format cannot be in it.
    if (hasNewestEvents) expect([...types].sort()).toEqual([...EVENT_TYPES].sort());
    else expect(types.size).toBeGreaterThan(0);
    const artifact = events.find((event) => event.type === "artifact.created" && event.blob !== undefined);
    if (artifact?.type !== "artifact.created" || artifact.blob === undefined) throw new Error("no blob");
    expect(Buffer.from(await store.getBlob(artifact.blob)).toString()).toBe("the bytes of a blob");
    if (hasNewestEvents) expect(await exportLines(store)).toEqual(lines);
    await store.close();
  });

  it("L4: goes on in a log of it, and forks that before and after", async () => {
    const path = join(folder, `${format}-longer.db`);
    copyFileSync(join(FIXTURES, format, "every-event.db"), path);
    let store = await openSqliteStore(path);
    const before = await readAll(store);
    const writer = await store.openWriter("every-event");
    const more = await writer.append([{ type: "run.started", kind: "task", task: "more" }]);
    more.push(...(await writer.append([{ type: "text.delta", text: "more" }])));
    more.push(
      ...(await writer.append([{ type: "final", status: "completed", reason: "done", usage: {}, durationMs: 0 }])),
    );
    await store.close();
    store = await openSqliteStore(path, { readOnly: true });
    const whole = [...before, ...more];
    expect((await readAll(store)).map((event) => JSON.stringify(event))).toEqual(
      whole.map((event) => JSON.stringify(event)),
    );
    await store.close();
    store = await openSqliteStore(path);
    for (const atSeq of [1, before.length, whole.length]) {
      const { id } = await store.fork("every-event", { atSeq });
      const events: StoredEvent[] = [];
      for await (const event of store.read(id, { limit: atSeq })) events.push(event);
      const expected = whole.slice(0, atSeq).map((event) => JSON.stringify({ ...event, sessionId: id }));
      expect(events.map((event) => JSON.stringify(event))).toEqual(expected);
    }
    await store.close();
  });

  it("L4: imports a session that was exported in it", async () => {
    const store = await openMemoryStore();
    await importSession(store, lines);
    expect(await readAll(store)).toHaveLength(lines.length - 3);
    if (hasNewestEvents) expect(await exportLines(store)).toEqual(lines);
    await store.close();
  });
});

describe("a change of an event's shape", () => {
  const upcasts = [
    {
      from: 1,
      types: {
        custom: ({ data, ...rest }: { readonly type: string; readonly [field: string]: unknown }) => ({
          ...rest,
          data: { was: data },
        }),
      },
    },
    {
      from: 2,
      types: {
        "text.delta": (event: { readonly type: string; readonly [field: string]: unknown }) => ({
          ...event,
          text: `${String(event["text"])}!`,
        }),
      },
    },
  ];

  it("takes an event through every format since its own, and leaves the others alone", () => {
    expect(upcastEvent({ type: "custom", data: 1 }, 1, upcasts)).toEqual({ type: "custom", data: { was: 1 } });
    expect(upcastEvent({ type: "custom", data: 1 }, 2, upcasts)).toEqual({ type: "custom", data: 1 });
    expect(upcastEvent({ type: "text.delta", text: "a" }, 1, upcasts)).toEqual({ type: "text.delta", text: "a!" });
    expect(upcastEvent({ type: "final" }, 1, upcasts)).toEqual({ type: "final" });
  });

  it("L4: brings the logs of a database to it, also events that are stored in parts, and keeps every position", async () => {
    const path = join(folder, "upcast.db");
    const store = await openSqliteStore(path);
    await store.create({ id: "every-event", kind: "task" });
    const writer = await store.openWriter("every-event");
    const large = "é".repeat(2_500_000);
    await writer.append([
      { type: "run.started", kind: "task", task: 1 },
      { type: "custom", name: "small", data: 1 },
    ]);
    await writer.append([{ type: "custom", name: "large", data: large }]);
    await writer.append([{ type: "text.delta", text: "as it was" }]);
    await store.close();
    const database = new (await loadBinding())(path, { timeout: 1000 });
    upcastLog(database, 1, upcasts);
    database.close();
    const again = await openSqliteStore(path);
    const events = await readAll(again);
    // The fifth closes the run that was left open.
    expect(events.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
    expect(events[1]).toMatchObject({ name: "small", data: { was: 1 } });
    expect(events[2]?.type === "custom" && (events[2].data as { was: string }).was === large).toBe(true);
    expect(events[3]).toMatchObject({ text: "as it was" });
    await again.close();
  });
});
