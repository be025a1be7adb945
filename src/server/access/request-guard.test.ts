import { Hono } from "hono";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openMemoryStore } from "../../store/memory/index.ts";
import type { SessionStore } from "../../store/session-store.ts";
import { createApp } from "../create-app.ts";
import type { AppOptions, SkeinApp } from "../create-app.ts";
import { openServer } from "../open-server.ts";
import { AccessTokens } from "./access-tokens.ts";

let store: SessionStore;
const apps: SkeinApp[] = [];

beforeEach(async () => {
  store = await openMemoryStore();
  await store.create({ id: "loop", kind: "loop" });
  await store.create({ id: "child", kind: "task", parentId: "loop" });
  await store.create({ id: "other", kind: "task" });
});

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
  await store.close();
});

function createTestApp(options: Omit<AppOptions, "store"> = {}): SkeinApp {
  const app = createApp({ store, ...options });
  apps.push(app);
  return app;
}

async function statusOf(app: SkeinApp, path: string, init: RequestInit = {}): Promise<number> {
  return (await app.request(`http://localhost${path}`, init)).status;
}

describe("without tokens", () => {
  it("answers under the names of the loopback interface alone, so that no page can rebind its own name to it", async () => {
    const app = createTestApp();
    for (const host of ["localhost", "localhost:7337", "127.0.0.1:7337", "127.1.2.3", "[::1]:7337"])
      expect([host, await statusOf(app, "/api/sessions", { headers: { host } })]).toEqual([host, 200]);
    for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::2]", ""])
      for (const path of ["/api/sessions", "/healthz", "/v1/stream/x", "/"])
        expect([host, path, await statusOf(app, path, { headers: { host } })]).toEqual([host, path, 403]);
  });

  it("answers under names that it was told", async () => {
    const app = createTestApp({ access: { hosts: ["skein.internal"] } });
    expect(await statusOf(app, "/api/sessions", { headers: { host: "skein.internal" } })).toBe(200);
    expect(await statusOf(app, "/api/sessions", { headers: { host: "evil.example" } })).toBe(403);
  });

  it("lets no page of another site write, however it sends", async () => {
    const app = createTestApp();
    const json = { "content-type": "application/json" };
    const requests: RequestInit[] = [
      { headers: { ...json, origin: "https://evil.example" } },
      { headers: { ...json, origin: "null" } },
      { headers: { ...json, origin: "http://localhost:9999" } },
      { headers: { "sec-fetch-site": "cross-site" } },
      { headers: { "sec-fetch-site": "same-site" } },
    ];
    for (const request of requests)
      for (const path of ["/api/sessions/loop/fork", "/api/runs", "/v1/stream/x", "/api/chat"])
        expect(await statusOf(app, path, { method: "POST", body: "{}", ...request })).toBe(403);
    // What a form can send without asking is no JSON.
    const form = { method: "POST", body: "{}", headers: { "content-type": "text/plain" } };
    expect(await statusOf(app, "/api/runs", form)).toBe(400);
    const own = { method: "POST", body: "{}", headers: { ...json, origin: "http://localhost" } };
    expect(await statusOf(app, "/api/sessions/loop/abort", own)).toBe(200);
  });

  it("lets pages of allowed origins read, and no others", async () => {
    const app = createTestApp({ access: { origins: ["https://app.example"] } });
    const from = (origin: string, method = "GET"): Promise<Response> =>
      Promise.resolve(app.request("http://localhost/api/sessions", { method, headers: { origin } }));
    const allowed = await from("https://app.example");
    expect(allowed.status).toBe(200);
    expect(allowed.headers.get("access-control-allow-origin")).toBe("https://app.example");
    expect((await from("https://evil.example")).status).toBe(403);
    const preflight = await from("https://evil.example", "OPTIONS");
    expect(preflight.headers.get("access-control-allow-origin")).toBeNull();
    expect((await from("https://app.example", "OPTIONS")).headers.get("access-control-allow-headers")).toContain(
      "authorization",
    );
    expect(() => createTestApp({ access: { origins: ["app.example"] } })).toThrow(/origin/);
  });
});

describe("tokens", () => {
  const bearer = (token: string): RequestInit => ({ headers: { authorization: `Bearer ${token}` } });
  const writing = (token: string): RequestInit => ({
    method: "POST",
    body: "{}",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
  });

  it("may be asked for only once there is one, and stay so when the last is revoked", async () => {
    const tokens = new AccessTokens();
    const app = createTestApp({ access: { tokens, openUntilToken: true } });
    expect(app.isProtected).toBe(false);
    expect(await statusOf(app, "/api/sessions")).toBe(200);
    expect(await statusOf(app, "/api/sessions", { headers: { host: "evil.example" } })).toBe(403);
    await expect(openServer({ app, host: "0.0.0.0", port: 0 })).rejects.toMatchObject({ code: "invalid_option" });
    const open = await app.request("http://localhost/api/sessions/changes");
    const { token, grant } = tokens.issue({ scope: "read" });
    await open.text();
    expect(app.isProtected).toBe(true);
    expect(await statusOf(app, "/api/sessions")).toBe(401);
    expect(await statusOf(app, "/api/sessions", bearer(token))).toBe(200);
    tokens.revoke(grant.id);
    expect(await statusOf(app, "/api/sessions")).toBe(401);
  });

  it("allow what their scope says and nothing else", async () => {
    const tokens = new AccessTokens();
    const app = createTestApp({ access: { tokens } });
    const write = tokens.issue({ scope: "write" }).token;
    const read = tokens.issue({ scope: "read" }).token;
    const one = tokens.issue({ scope: { session: "loop" } }).token;
    const reads = ["/api/sessions/loop", "/api/sessions/child/events", "/v1/session/loop"];
    const others = [
      "/api/sessions",
      "/api/sessions/other",
      "/api/sessions/nobody",
      "/api/sessions/changes",
      "/v1/session/other",
      "/v1/stream/x",
      "/api/runs",
      "/api/tasks",
      `/api/blobs/sha256:${"0".repeat(64)}`,
    ];
    for (const path of reads) {
      expect([path, await statusOf(app, path)]).toEqual([path, 401]);
      expect([path, await statusOf(app, path, bearer("x".repeat(43)))]).toEqual([path, 401]);
      for (const token of [write, read, one])
        expect([path, await statusOf(app, path, bearer(token))]).toEqual([path, 200]);
    }
    for (const path of others) expect([path, await statusOf(app, path, bearer(one))]).toEqual([path, 403]);
    for (const path of [
      "/api/runs",
      "/api/sessions/loop/fork",
      "/api/sessions/loop/abort",
      "/v1/session/loop",
      "/v1/stream/x",
      "/api/chat",
      "/api/chat/x/stop",
    ]) {
      expect([path, await statusOf(app, path, writing(read))]).toEqual([path, 403]);
      expect([path, await statusOf(app, path, writing(one))]).toEqual([path, 403]);
    }
    expect(await statusOf(app, "/api/sessions/loop/abort", writing(write))).toBe(200);
    const refused = await app.request("http://localhost/api/sessions");
    expect(refused.headers.get("www-authenticate")).toContain("Bearer");
  });

  it("are revoked at once, with the streams that they opened, and run out", async () => {
    const tokens = new AccessTokens();
    const app = createTestApp({ access: { tokens } });
    const { token, grant } = tokens.issue({ scope: "read" });
    const live = await app.request("http://localhost/api/sessions/loop/live", bearer(token));
    const ended = live.text();
    expect(tokens.revoke(grant.id)).toBe(true);
    await ended;
    expect(await statusOf(app, "/api/sessions", bearer(token))).toBe(401);
    expect(tokens.revoke(grant.id)).toBe(false);
    const short = tokens.issue({ scope: "read", expiresInMs: 1 });
    while (Date.now() < (short.grant.expiresAt as number)) await new Promise((resolve) => setImmediate(resolve));
    expect(await statusOf(app, "/api/sessions", bearer(short.token))).toBe(401);
  });

  it("are in no answer and no list", async () => {
    const tokens = new AccessTokens();
    const app = createTestApp({ access: { tokens } });
    const { token } = tokens.issue({ scope: "read", name: "a page" });
    expect(JSON.stringify(tokens.list())).not.toContain(token);
    for (const path of ["/api/nothing", "/api/sessions/nobody", "/api/sessions?limit=x"])
      expect(await (await app.request(`http://localhost${path}`, bearer(token))).text()).not.toContain(token);
    const wrong = await app.request("http://localhost/api/sessions", bearer("a-wrong-token-of-some-length"));
    expect(await wrong.text()).not.toContain("a-wrong-token");
    expect(() => tokens.issue({ scope: "read", token: "short" })).toThrow(/16 characters/);
  });

  it("are asked for under whatever prefix the app is mounted", async () => {
    const tokens = new AccessTokens();
    const site = new Hono().route("/skein", createTestApp({ access: { tokens } }));
    const { token } = tokens.issue({ scope: "write" });
    const ask = async (path: string, init: RequestInit = {}): Promise<number> =>
      (await site.request(`http://localhost${path}`, init)).status;
    for (const path of [
      "/skein/api/sessions",
      "/skein/api/sessions/loop",
      "/skein/v1/session/loop",
      "/skein/v1/stream/x",
    ]) {
      expect([path, await ask(path)]).toEqual([path, 401]);
      expect([path, await ask(path, bearer(token))]).toEqual([path, path.endsWith("/x") ? 404 : 200]);
    }
    const body = {
      method: "PUT",
      body: "x",
      headers: { authorization: `Bearer ${token}`, "content-type": "text/plain" },
    };
    expect(await ask("/skein/v1/stream/a/b", body)).toBe(201);
    expect(await ask("/skein/v1/stream/a/b", bearer(token))).toBe(200);
    for (const path of [
      "/skein//api/sessions",
      "/skein/API/sessions",
      "/skein/api/../api/sessions/",
      "/skein/%61pi/sessions",
    ])
      expect([path, [401, 404].includes(await ask(path))]).toEqual([path, true]);
  });

  it("are not needed where the application decides by itself", async () => {
    const app = createTestApp({
      access: {
        authorize: (request) => (request.headers.get("cookie") === "user=1" ? { session: "loop" } : undefined),
      },
    });
    const cookie = { headers: { cookie: "user=1", host: "app.example" } };
    expect(await statusOf(app, "/api/sessions/loop", cookie)).toBe(200);
    expect(await statusOf(app, "/api/sessions/other", cookie)).toBe(403);
    expect(await statusOf(app, "/api/sessions/loop")).toBe(401);
  });
});

describe("limits", () => {
  it("refuse a body that is too large, also one whose length is not said", async () => {
    const app = createTestApp({ limits: { bodyBytes: 1000 } });
    const post = (body: string | ReadableStream<Uint8Array>): Promise<number> =>
      statusOf(app, "/api/runs", {
        method: "POST",
        body,
        headers: { "content-type": "application/json" },
        duplex: "half",
      });
    expect(await post(JSON.stringify({ name: "x".repeat(2000) }))).toBe(413);
    const endless = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(100)) });
    expect(await post(endless)).toBe(413);
    expect(await post("{")).toBe(400);
  });

  it("refuse one caller's flood and let it in again after a while", async () => {
    const app = createTestApp({ limits: { requestsPerSecond: 1 } });
    const statuses: number[] = [];
    for (let request = 0; request < 12; request++) statuses.push(await statusOf(app, "/api/sessions"));
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(10);
    expect(statuses).toContain(429);
  });

  it("refuse more open streams than there is room for, and give a place back when one ends", async () => {
    const app = createTestApp({ limits: { openStreams: 2 } });
    const open = (): Promise<Response> => Promise.resolve(app.request("http://localhost/api/sessions/loop/live"));
    const [first, second] = [await open(), await open()];
    const third = await open();
    expect(third.status).toBe(503);
    expect(third.headers.get("retry-after")).toBe("1");
    await first.body?.cancel();
    expect((await open()).status).toBe(200);
    await second.body?.cancel();
    // One that is asked about and not read takes no place.
    for (let times = 0; times < 3; times++)
      expect(await statusOf(app, "/api/sessions/loop/live", { method: "HEAD" })).toBe(200);
  });
});

describe("listening", () => {
  it("demands a token on every address that others can reach", async () => {
    const app = createTestApp();
    for (const host of ["0.0.0.0", "::", "192.168.0.1", "example.com"])
      await expect(openServer({ app, host, port: 0 })).rejects.toMatchObject({ code: "invalid_option" });
  });

  it("says which port is taken, and what to do", async () => {
    await using server = await openServer({ app: createTestApp(), port: 0 });
    await expect(openServer({ app: createTestApp(), port: server.port })).rejects.toMatchObject({
      code: "port_in_use",
      message: expect.stringContaining("--port"),
    });
  });

  it("closes with streams open, and ends no run", async () => {
    const app = createTestApp();
    await using writer = await store.openWriter("other");
    await writer.append([{ type: "run.started", kind: "task", task: "x" }]);
    const server = await openServer({ app, port: 0 });
    const live = await fetch(`${server.url}/api/sessions/other/live`);
    const text = live.text();
    await server.close();
    expect(await text).toContain("run.started");
    expect((await store.get("other"))?.openRun).toBeDefined();
  });

  it("keeps every path of a request away from the disk", async () => {
    const app = createTestApp({ inspector: true });
    await using server = await openServer({ app, port: 0 });
    for (const path of [
      "/../package.json",
      "/%2e%2e/package.json",
      "/assets/..%2f..%2fserver/index.js",
      "/..%5cindex.js",
      "/index.js",
      "/%00",
      "/assets/%",
    ]) {
      const answer = await fetch(`${server.url}${path}`);
      expect([path, answer.status]).toEqual([path, 404]);
    }
  });
});
