import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Session, SessionStore } from "../../store/session-store.ts";
import { openMemoryStore } from "../../store/memory/index.ts";
import { createIterableBackend } from "../../backend/iterable/index.ts";
import { runTask } from "../../stream/stream-task.ts";
import { createApp } from "../create-app.ts";
import type { SkeinApp } from "../create-app.ts";

let store: SessionStore;
let app: SkeinApp;

beforeEach(async () => {
  store = await openMemoryStore();
  app = createApp({ store });
});

afterEach(async () => {
  await app.close();
  await store.close();
});

const backend = createIterableBackend("words", function* words() {
  yield { type: "text.delta", text: "one " };
  yield { type: "text.delta", text: "two\nthree" };
  yield { type: "usage.reported", inputTokens: 3 };
});

const run = (sessionId: string, resume = false): Promise<unknown> =>
  runTask({ task: "count", backend, store, sessionId, resume, labels: { title: sessionId } });

const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  Promise.resolve(app.request(`http://localhost${path}`, { headers }));

async function storedLines(sessionId: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const event of store.read(sessionId)) lines.push(JSON.stringify(event));
  return lines;
}

/** The frames of a stream until there are so many, and what came with the last of them. */
async function readFrames(response: Response, count: number): Promise<{ id?: string; event?: string; data: string }[]> {
  const frames: { id?: string; event?: string; data: string }[] = [];
  const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (frames.length < count) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
    for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
      const fields = text
        .slice(0, end)
        .split("\n")
        .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]);
      text = text.slice(end + 2);
      const data = fields.filter(([name]) => name === "data").map(([, value]) => value);
      if (data.length > 0) frames.push({ ...(Object.fromEntries(fields) as { id?: string }), data: data.join("\n") });
    }
  }
  await reader.cancel();
  return frames;
}

describe("the list of sessions", () => {
  it("is newest first, filtered, and goes on page by page without a gap or a double", async () => {
    for (const id of ["a", "b", "c", "d", "e"]) await run(id);
    await store.create({ id: "child", kind: "task", parentId: "a" });
    const all: string[] = [];
    let next: string | undefined = "";
    for (let pages = 0; next !== undefined && pages < 10; pages++) {
      const answer = await get(`/api/sessions?limit=2&before=${encodeURIComponent(next)}`);
      const page = (await answer.json()) as { sessions: Session[]; next?: string };
      all.push(...page.sessions.map(({ id }) => id));
      next = page.next;
    }
    expect(all).toEqual((await store.list()).map(({ id }) => id));
    const roots = (await (await get("/api/sessions?parentId=&status=completed&label=title=c")).json()) as {
      sessions: Session[];
    };
    expect(roots.sessions.map(({ id }) => id)).toEqual(["c"]);
    const children = (await (await get("/api/sessions?parentId=a")).json()) as { sessions: Session[] };
    expect(children.sessions.map(({ id }) => id)).toEqual(["child"]);
  });

  it.each(["status=open", "limit=0", "limit=x", "limit=501", "before=yesterday"])("refuses %s", async (query) => {
    const answer = await get(`/api/sessions?${query}`);
    expect(answer.status).toBe(400);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(await answer.json()).toMatchObject({ status: 400, code: "invalid_option", retryable: false });
  });
});

describe("one session", () => {
  it("tells its runs", async () => {
    await run("a");
    await run("a", true);
    const session = (await (await get("/api/sessions/a")).json()) as Session & {
      runs: { status: string; usage: unknown }[];
    };
    expect(session).toMatchObject({ id: "a", status: "completed" });
    expect(session.runs).toHaveLength(2);
    expect(session.runs[1]).toMatchObject({ status: "completed", reason: "completed", usage: { inputTokens: 3 } });
  });

  it("is a problem document where it is not there", async () => {
    const answer = await get("/api/sessions/nobody");
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ code: "session_unknown", status: 404 });
  });
});

describe("events", () => {
  it("L4: are the stored bytes, from any position", async () => {
    await run("a");
    const lines = await storedLines("a");
    for (let after = 0; after <= lines.length; after++) {
      const answer = await get(`/api/sessions/a/events?after=${after}`);
      expect(answer.headers.get("skein-last-seq")).toBe(String(lines.length));
      expect(await answer.text()).toBe(
        lines
          .slice(after)
          .map((line) => `${line}\n`)
          .join(""),
      );
      const array = await get(`/api/sessions/a/events?after=${after}&limit=2`, { accept: "application/json" });
      expect(await array.text()).toBe(`[${lines.slice(after, after + 2).join(",")}]`);
    }
  });

  it("L4: are followed live from any position, past and present without a gap", async () => {
    await run("a");
    const past = (await storedLines("a")).length;
    for (let after = 0; after <= past; after++) {
      const answer = await get(`/api/sessions/a/live?after=${after}`);
      const live = readFrames(answer, past - after + (await storedLines("a")).length - past + past);
      await run("a", true);
      const lines = await storedLines("a");
      const frames = await live;
      expect(frames.map(({ data }) => data)).toEqual(lines.slice(after, after + frames.length));
      expect(frames.map(({ id }) => id)).toEqual(frames.map((_, index) => String(after + 1 + index)));
    }
  });

  it("go on after the event that a browser saw last", async () => {
    await run("a");
    const lines = await storedLines("a");
    const frames = await readFrames(await get("/api/sessions/a/live?after=0", { "last-event-id": "2" }), 2);
    expect(frames.slice(0, 2).map(({ data }) => data)).toEqual(lines.slice(2, 4));
  });
});

it("tells changes of the list: what is there, what comes, what goes", async () => {
  await run("a");
  const answer = await get("/api/sessions/changes");
  const first = readFrames(answer.clone(), 1);
  const both = readFrames(answer, 2);
  const toMessage = ({ data }: { data: string }): { changed: Session[]; removed: string[] } =>
    JSON.parse(data) as { changed: Session[]; removed: string[] };
  expect((await first).map(toMessage)).toMatchObject([{ changed: [{ id: "a" }], removed: [] }]);
  await run("b");
  await store.delete("a");
  expect((await both).map(toMessage)[1]).toMatchObject({ changed: [{ id: "b" }], removed: ["a"] });
});

it("ends its streams when it is closed", async () => {
  await run("a");
  const answer = await get("/api/sessions/a/live");
  const frames = readFrames(answer, 1000);
  await app.close();
  expect((await frames).length).toBeGreaterThanOrEqual(0);
});

it("gives blobs by their digest, never as a page", async () => {
  const ref = await store.putBlob(new TextEncoder().encode("<script>alert(1)</script>"));
  const answer = await get(`/api/blobs/${ref.digest}`);
  expect(await answer.text()).toBe("<script>alert(1)</script>");
  expect(answer.headers.get("content-type")).toBe("application/octet-stream");
  expect(answer.headers.get("content-disposition")).toBe("attachment");
  expect((await get(`/api/blobs/sha256:${"0".repeat(64)}`)).status).toBe(404);
  expect((await get("/api/blobs/..%2f..%2fetc%2fpasswd")).status).toBe(400);
});
