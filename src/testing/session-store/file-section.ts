import { describe, expect, it } from "vitest";
import { exportSession, importSession } from "../../store/session-file.ts";
import type { Session, SessionStore } from "../../store/session-store.ts";
import type { SessionStoreKitOptions } from "./store-under-test.ts";
import { FINAL, RUN_STARTED, StoreUnderTest, beginRun, delta, readAll, readLines } from "./store-under-test.ts";

async function exportLines(store: SessionStore, id: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of exportSession(store, id)) lines.push(line);
  return lines;
}

/** A session with all that a file has to carry: blobs, a large event, labels, text that is hard to write down. */
async function makeSession(store: SessionStore): Promise<void> {
  await store.create({ id: "origin", kind: "task", labels: { z: "1", a: "ü" }, parentId: "elsewhere" });
  await using writer = await store.openWriter("origin");
  const blob = await store.putBlob(Buffer.from("the bytes of an artifact"));
  await writer.append([
    RUN_STARTED,
    { type: "session.created", backend: "test", resumeToken: "token\u0000" },
    delta("one \u2028 two\n𝄞"),
  ]);
  await writer.append([
    { type: "artifact.created", name: "a", blob },
    { type: "artifact.created", name: "again", blob },
  ]);
  await writer.append([
    {
      type: "custom",
      name: "likeness",
      data: { digest: `sha256:${"0".repeat(64)}`, ["__proto__"]: { 2: "b", 1: "a" } },
    },
  ]);
  await writer.append([delta("é".repeat(2_500_000)), delta("after it"), FINAL, RUN_STARTED, FINAL]);
}

/** A session as one file. */
export function testFiles(kit: SessionStoreKitOptions): void {
  describe("files", () => {
    const stores = new StoreUnderTest(kit);

    it("L4: gives the same file again after it was exported and imported", async () => {
      const store = await stores.open();
      await makeSession(store);
      const lines = await exportLines(store, "origin");
      const other = await stores.open();
      const imported = await importSession(other, lines);
      const { epoch: _epoch, ...original } = (await store.get("origin")) as object & { epoch: number };
      expect(imported).toEqual({ ...original, epoch: 0 });
      expect(await exportLines(other, "origin")).toEqual(lines);
      expect(await readLines(other.read("origin", { after: 6 }))).toEqual(
        await readLines(store.read("origin", { after: 6 })),
      );
    });

    it("exports a fork as one whole log, and goes on in what was imported", async () => {
      const store = await stores.open();
      await using writer = await beginRun(store, "parent");
      await writer.append([delta("shared"), delta("only the parent's")]);
      const { id } = await store.fork("parent", { atSeq: 2 });
      const lines = await exportLines(store, id);
      const other = await stores.open();
      expect(await importSession(other, lines, { as: "copy" })).toMatchObject({
        id: "copy",
        lastSeq: 3,
        status: "interrupted",
      });
      const copied = await readAll(other.read("copy"));
      expect(copied).toEqual((await readAll(store.read(id))).map((event) => ({ ...event, sessionId: "copy" })));
      await using next = await other.openWriter("copy");
      expect(await next.append([RUN_STARTED])).toMatchObject([{ seq: 4, sessionId: "copy" }]);
    });

    it("takes in a fork as a fork, where its parent is there", async () => {
      const store = await stores.open();
      await using writer = await beginRun(store, "parent");
      await writer.append([delta("shared"), delta("only the parent's")]);
      const child = await store.fork("parent", { atSeq: 2 });
      const other = await stores.open();
      const take = async (session: {
        id: string;
        forkedFrom?: { sessionId: string; atSeq: number };
      }): Promise<Session> =>
        other.importSession(
          { ...session, kind: "task", createdAt: 1 },
          (async function* () {
            for await (const event of store.read(session.id)) yield { event, line: JSON.stringify(event) };
          })(),
        );
      const { id, forkedFrom = { sessionId: "", atSeq: 0 } } = child;
      await expect(take({ id, forkedFrom })).rejects.toMatchObject({ code: "session_unknown" });
      await take({ id: "parent" });
      await expect(take({ id, forkedFrom: { ...forkedFrom, atSeq: 4 } })).rejects.toMatchObject({
        code: "fork_position",
      });
      expect(await take({ id, forkedFrom })).toMatchObject({ forkedFrom, lastSeq: 3, status: "interrupted" });
      expect(await readLines(other.read(id))).toEqual(await readLines(store.read(id)));
      await expect(other.delete("parent")).rejects.toMatchObject({ code: "session_in_use" });
      await using next = await other.openWriter(id);
      expect(await next.append([RUN_STARTED])).toMatchObject([{ seq: 4, sessionId: id }]);
    });

    it("refuses an id that is there, and takes another one", async () => {
      const store = await stores.open();
      await makeSession(store);
      const lines = await exportLines(store, "origin");
      await expect(importSession(store, lines)).rejects.toMatchObject({ code: "session_exists" });
      await expect(importSession(store, lines, { as: "a\nb" })).rejects.toMatchObject({ code: "invalid_option" });
      await importSession(store, lines, { as: "second" });
      expect((await readAll(store.read("second"))).every(({ sessionId }) => sessionId === "second")).toBe(true);
      // The blob goes with the last of the two.
      await store.delete("origin");
      const artifact = (await readAll(store.read("second", { after: 3, limit: 1 })))[0];
      if (artifact?.type !== "artifact.created" || artifact.blob === undefined) throw new Error("no artifact");
      expect(Buffer.from(await store.getBlob(artifact.blob)).toString()).toBe("the bytes of an artifact");
    });

    it("stores nothing of a file that was cut, changed or made by something else, and says which line it is", async () => {
      const store = await stores.open();
      await using writer = await beginRun(store, "small");
      const blob = await store.putBlob(Buffer.from("bytes"));
      await writer.append([delta("text"), { type: "artifact.created", name: "a", blob }, FINAL]);
      const lines = await exportLines(store, "small");
      const other = await stores.open();
      const change = (index: number, from: string, to: string): string[] =>
        lines.with(index, (lines[index] as string).replace(from, to));
      const broken: [string[], RegExp][] = [
        [[], /line 1: it is empty/],
        [["hello"], /line 1: it does not begin/],
        [lines.slice(1), /line 1: it does not begin/],
        [change(0, '"format":1', '"format":2'), /format 2.*update Skein/],
        [change(0, '"kind":"task"', '"kind":"other"'), /changed/],
        [change(2, '"text":"text"', '"text":"Text"'), /changed/],
        [change(2, '"seq":2', '"seq":3'), /line 3: event 2 is expected/],
        [change(2, '"type":"text.delta"', '"type":"text.unknown"'), /line 3: There is no event of type/],
        [change(2, '"sessionId":"small"', '"sessionId":"big"'), /line 3: event 2 is of the session "big"/],
        [change(2, '"runId":"', '"runId":"x'), /line 3: .* run/],
        [change(5, '"base64":"', '"base64":"AAAA'), /line 6: the bytes of the blob/],
        [lines.toSpliced(5, 1), /lines are missing/],
        [lines.toSpliced(2, 1), /line 3: event 2 is expected/],
        [[...lines, "{}"], /after its last line/],
        [lines.with(3, "[".repeat(100_000)), /line 4/],
        ...lines.slice(1).map((_line, index): [string[], RegExp] => [lines.slice(0, index + 1), /it was cut/]),
        [[...lines.slice(0, -1), (lines.at(-1) as string).slice(0, 20)], /line 7/],
      ];
      for (const [file, message] of broken) {
        await expect(importSession(other, file)).rejects.toMatchObject({
          code: "session_file_invalid",
          message: expect.stringMatching(message),
        });
      }
      expect(await other.list()).toEqual([]);
      // Nothing is in the way of the right file.
      await importSession(other, lines);
      expect(await exportLines(other, "small")).toEqual(lines);
    });

    it("takes in a session while others write and are pruned", async () => {
      const store = await stores.open();
      await using writer = await beginRun(store, "long");
      for (let batch = 0; batch < 40; batch++)
        await writer.append(Array.from({ length: 100 }, (_, index) => delta(`${batch}.${index} `.padEnd(500, "x"))));
      const lines = await exportLines(store, "long");
      await using live = await beginRun(store, "live");
      const gone = await beginRun(store, "gone");
      await gone.append([FINAL]);
      await gone.close();
      const [imported] = await Promise.all([
        importSession(store, lines, { as: "copy" }),
        store.prune({ status: "completed" }),
        (async () => {
          for (let index = 0; index < 50; index++) await live.append([delta("live")]);
        })(),
      ]);
      expect(imported.lastSeq).toBe(4001);
      expect(await readAll(store.read("copy"))).toHaveLength(4001);
      expect((await store.list()).map(({ id }) => id).sort()).toEqual(["copy", "live", "long"]);
    });
  });
}
