import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openMemoryStore } from "../../store/memory/index.ts";
import type { SessionStore } from "../../store/session-store.ts";
import { createApp } from "../create-app.ts";
import type { SkeinApp } from "../create-app.ts";
import { AccessTokens } from "./access-tokens.ts";
import { KeptAccessTokens } from "./token-folder.ts";

const ADMIN = "the-token-of-the-operator";

let folder: string;
let store: SessionStore;
let app: SkeinApp;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "skein-access-"));
  store = await openMemoryStore();
});

afterEach(async () => {
  await app.close();
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

async function ask(method: string, path: string, token?: string, body?: unknown): Promise<Response> {
  return app.request(`http://localhost${path}`, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

describe.each(["in memory", "in a folder"])("tokens over HTTP, %s", (where) => {
  let tokens: AccessTokens;

  beforeEach(async () => {
    tokens = where === "in memory" ? new AccessTokens() : await KeptAccessTokens.open(join(folder, "tokens"));
    tokens.issue({ scope: "write", name: "operator", token: ADMIN });
    app = createApp({ store, access: { tokens } });
  });

  afterEach(async () => {
    if (tokens instanceof KeptAccessTokens) await tokens[Symbol.asyncDispose]();
  });

  it("are issued, listed without their texts, and revoked with the streams that they opened", async () => {
    const issued = await ask("POST", "/api/tokens", ADMIN, { scope: "read", name: "dashboard", expiresInMs: 60_000 });
    expect(issued.status).toBe(201);
    const { token, grant } = (await issued.json()) as { token: string; grant: { id: string } };
    expect(grant).toMatchObject({ scope: "read", name: "dashboard" });
    const listed = await (await ask("GET", "/api/tokens", ADMIN)).text();
    expect(listed).toContain(grant.id);
    expect(listed).not.toContain(token);
    expect(listed).not.toContain("hash");
    expect(await (await ask("GET", "/api/access", token)).json()).toEqual({
      scope: "read",
      name: "dashboard",
      readOnly: false,
    });
    const open = await ask("GET", "/api/sessions/changes", token);
    expect(open.status).toBe(200);
    const reader = (open.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
    for (let said = ""; !said.includes("sessions");) said += (await reader.read()).value ?? "";
    expect((await ask("DELETE", `/api/tokens/${grant.id}`, ADMIN)).status).toBe(204);
    while (!(await reader.read()).done);
    expect((await ask("GET", "/api/sessions", token)).status).toBe(401);
    expect((await ask("DELETE", `/api/tokens/${grant.id}`, ADMIN)).status).toBe(404);
  });

  it("are for those who may write, and a scope for one session stays one", async () => {
    const { token } = (await (await ask("POST", "/api/tokens", ADMIN, { scope: { session: "run_1" } })).json()) as {
      token: string;
    };
    expect(await (await ask("GET", "/api/access", token)).json()).toMatchObject({ scope: { session: "run_1" } });
    for (const [method, path] of [
      ["GET", "/api/tokens"],
      ["POST", "/api/tokens"],
      ["DELETE", "/api/tokens/token_1"],
    ] as const)
      expect((await ask(method, path, token, method === "POST" ? { scope: "write" } : undefined)).status).toBe(403);
    for (const body of [
      {},
      { scope: "root" },
      { scope: { session: 1 } },
      { scope: "read", name: 1 },
      { scope: "read", expiresInMs: -5 },
      { scope: "read", expiresInMs: "1h" },
    ])
      expect((await ask("POST", "/api/tokens", ADMIN, body)).status).toBe(400);
  });
});

it("says that a server without tokens has none", async () => {
  app = createApp({ store });
  expect(await (await ask("GET", "/api/access")).json()).toEqual({ scope: "write", name: "local", readOnly: false });
  expect((await ask("GET", "/api/tokens")).status).toBe(404);
  expect((await ask("POST", "/api/tokens", undefined, { scope: "read" })).status).toBe(404);
});
