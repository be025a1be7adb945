import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ByteStreams, NewByteStream } from "./byte-streams.ts";
import { openMemoryStore } from "./memory/index.ts";
import { openPostgresStore, parsePostgresUrl } from "./postgres/index.ts";
import { PostgresDatabase } from "./postgres/postgres-database.ts";
import { shareServer } from "./postgres/postgres-server.test.support.ts";
import type { SessionStore } from "./session-store.ts";
import { openSqliteStore } from "./sqlite/index.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "skein-bytes-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const streamsOf = (store: SessionStore): ByteStreams => store.byteStreams as ByteStreams;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (chunks: readonly Uint8Array[]): string => Buffer.concat(chunks).toString();

const path = fc.constantFrom("a", "b", "c", "d");
const content = fc.string({ maxLength: 5, unit: "grapheme" }).map(bytes);
const small = fc.integer({ min: 0, max: 3 });
const producer = fc.record({ id: fc.constantFrom("p", "q"), epoch: small, seq: small });
const optional = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(value, { nil: undefined });

const without = (value: Record<string, unknown>): object =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined));

/** What can be asked, as functions over any adapter. */
const question = fc.oneof(
  fc
    .record({
      path,
      bytes: content,
      closed: fc.boolean(),
      fork: optional(fc.record({ from: path, position: optional(fc.nat(8)), subOffset: optional(fc.nat(3)) })),
    })
    .map(({ fork, ...stream }) => {
      const wanted = { ...stream, ...(fork === undefined ? {} : { fork: without(fork) }) } as NewByteStream;
      return { says: `create ${JSON.stringify(wanted)}`, ask: (streams: ByteStreams) => streams.create(wanted) };
    }),
  fc
    .record({
      path,
      bytes: content,
      close: fc.boolean(),
      producer: optional(producer),
      streamSeq: optional(fc.constantFrom("1", "2", "10")),
    })
    .map(({ path, ...append }) => {
      const wanted = { contentType: "application/octet-stream", ...without(append) } as Parameters<
        ByteStreams["append"]
      >[1];
      return {
        says: `append ${path} ${JSON.stringify(wanted)}`,
        ask: (streams: ByteStreams) => streams.append(path, wanted),
      };
    }),
  path.map((one) => ({ says: `delete ${one}`, ask: (streams: ByteStreams) => streams.delete(one) })),
  fc.record({ path, from: fc.nat(12), limitBytes: fc.integer({ min: 1, max: 8 }) }).map(({ path, ...range }) => ({
    says: `read ${path} ${JSON.stringify(range)}`,
    ask: (streams: ByteStreams) => streams.read(path, range),
  })),
  path.map((one) => ({ says: `find ${one}`, ask: (streams: ByteStreams) => streams.find(one) })),
);

/** Answers of two adapters are compared by everything but the identity of a stream. */
function toComparable(answer: unknown): unknown {
  return JSON.parse(JSON.stringify(answer), (name, value: unknown) =>
    name === "id" && /^\d+$/.test(String(value)) ? undefined : value,
  );
}

describe("plain streams", () => {
  it("answer alike in memory, in SQLite and in Postgres, whatever they are asked", { timeout: 120_000 }, async () => {
    let round = 0;
    await using postgres = await openPostgresStore(await shareServer(), { schema: `bytes_${process.pid}` });
    await fc.assert(
      fc.asyncProperty(fc.array(question, { maxLength: 40 }), async (questions) => {
        round += 1;
        await using memory = await openMemoryStore();
        await using sqlite = await openSqliteStore(join(folder, `${round}.db`), { durability: "process" });
        for (const { says, ask } of questions) {
          const expected = { says, answer: toComparable(await ask(streamsOf(memory))) };
          for (const other of [sqlite, postgres])
            expect({ says, answer: toComparable(await ask(streamsOf(other))) }).toEqual(expected);
        }
        // A stream that others were forked from goes with the last of them.
        for (const name of ["a", "b", "c", "d"]) await streamsOf(postgres).delete(name);
      }),
      { numRuns: 12 },
    );
  });

  it("are there again when the file is opened again, with the state of their producers", async () => {
    const file = join(folder, "skein.db");
    const append = { contentType: "text/plain", close: false, producer: { id: "p", epoch: 2, seq: 0 } };
    {
      await using store = await openSqliteStore(file);
      await streamsOf(store).create({ path: "s", contentType: "text/plain", closed: false, bytes: bytes("one ") });
      await streamsOf(store).append("s", { ...append, bytes: bytes("two") });
    }
    await using store = await openSqliteStore(file);
    const page = await streamsOf(store).read("s", { from: 0, limitBytes: 100 });
    expect(typeof page === "string" ? page : textOf(page.chunks)).toBe("one two");
    expect(await streamsOf(store).append("s", { ...append, bytes: bytes("two") })).toMatchObject({ is: "duplicate" });
    await using reader = await openSqliteStore(file, { readOnly: true });
    expect(await streamsOf(reader).find("s")).toMatchObject({ length: 7, contentType: "text/plain" });
    await expect(streamsOf(reader).delete("s")).rejects.toMatchObject({ code: "store_read_only" });
  });

  it.each([
    ["file", () => openSqliteStore(join(folder, "skein.db"))],
    ["schema", async () => openPostgresStore(await shareServer(), { schema: `bytes_${process.pid}` })],
  ])("wake those who wait for them in another opening of the same %s", async (_kind, open) => {
    await using writer = await open();
    await using reader = await open();
    await streamsOf(writer).create({ path: "s", closed: false, bytes: bytes("") });
    const changed = streamsOf(reader).changed("s", { length: 0, closed: false }, new AbortController().signal);
    await streamsOf(writer).append("s", { contentType: "application/octet-stream", bytes: bytes("x"), close: false });
    await changed;
    const gone = streamsOf(reader).changed("s", { length: 1, closed: false }, new AbortController().signal);
    await streamsOf(writer).delete("s");
    await gone;
    const leave = new AbortController();
    await streamsOf(writer).create({ path: "t", closed: false, bytes: bytes("") });
    const left = streamsOf(reader).changed("t", { length: 0, closed: false }, leave.signal);
    leave.abort();
    await left;
  });

  it("give the room of a deleted stream back, a little with each command", async () => {
    await using store = await openSqliteStore(join(folder, "skein.db"), { durability: "process" });
    const streams = streamsOf(store);
    await streams.create({ path: "big", closed: false, bytes: bytes("") });
    for (let chunk = 0; chunk < 200; chunk++)
      await streams.append("big", {
        contentType: "application/octet-stream",
        bytes: new Uint8Array(1000),
        close: false,
      });
    await streams.delete("big");
    for (let command = 0; command < 6; command++)
      await streams.create({ path: `next-${command}`, closed: true, bytes: bytes("") });
    // A new stream under the same name has nothing of the old one.
    await streams.create({ path: "big", closed: false, bytes: bytes("new") });
    const page = await streams.read("big", { from: 0, limitBytes: 100_000 });
    expect(typeof page === "string" ? page : textOf(page.chunks)).toBe("new");
  });

  it("take appends of several processes in Postgres one after the other, each once", async () => {
    const open = async (): Promise<SessionStore> =>
      openPostgresStore(await shareServer(), { schema: `bytes_${process.pid}` });
    await using one = await open();
    await using other = await open();
    await streamsOf(one).create({ path: "shared", closed: false, bytes: bytes("") });
    const letters = [..."abcdefghijklmnopqrst"];
    const append = { contentType: "application/octet-stream", close: false };
    await Promise.all(
      letters.map((letter, index) =>
        streamsOf(index % 2 === 0 ? one : other).append("shared", { ...append, bytes: bytes(letter) }),
      ),
    );
    const page = await streamsOf(other).read("shared", { from: 0, limitBytes: 100 });
    expect(typeof page === "string" ? page : [...textOf(page.chunks)].toSorted()).toEqual(letters);
  });

  it("give the room of a deleted stream back in Postgres", { timeout: 120_000 }, async () => {
    const url = await shareServer();
    const schema = `bytes_room_${process.pid}`;
    await using store = await openPostgresStore(url, { schema, durability: "process" });
    const append = { contentType: "application/octet-stream", close: false, bytes: new Uint8Array(1000) };
    await streamsOf(store).create({ path: "big", closed: false, bytes: bytes("") });
    for (let chunk = 0; chunk < 300; chunk++) await streamsOf(store).append("big", append);
    expect(await streamsOf(store).delete("big")).toBe("deleted");
    const options = { maxConnections: 5, statementTimeoutMs: 30_000, retryMs: 1_000 };
    const database = new PostgresDatabase(parsePostgresUrl(url, schema), options);
    const left =
      "SELECT (SELECT count(*) FROM {s}.byte_stream_chunks), (SELECT count(*) FROM {s}.deleted_byte_streams)";
    const counts = await database.query("read", left);
    await database.close();
    expect(counts).toEqual([[0, 0]]);
  });
});
