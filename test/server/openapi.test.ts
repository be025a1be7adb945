import { Ajv2020 } from "ajv/dist/2020.js";
import { createScriptedSandbox } from "skein/testing";
import { openMemoryStore, randomK, type SessionStore, type StoredEvent } from "skein";
import { createIterableBackend } from "skein/backend/iterable";
import { createApp, defineLoop, type SkeinApp } from "skein/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

interface Operation {
  readonly responses: Record<string, { readonly content?: Record<string, { readonly schema: object }> }>;
}

interface Document {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: object;
}

let store: SessionStore;
let app: SkeinApp;
let document: Document;
let task: string;
let loop: string;

const request = async (method: string, path: string, body?: unknown): Promise<Response> =>
  app.request(`http://localhost${path}`, {
    method,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

beforeAll(async () => {
  store = await openMemoryStore();
  app = createApp({
    store,
    tasks: {
      echo: {
        backend: createIterableBackend("echo", function* echo({ prompt }) {
          yield { type: "usage.reported", inputTokens: 1 };
          yield { type: "text.delta", text: prompt };
        }),
      },
    },
    loops: {
      sample: defineLoop({
        settings: () => ({
          task: { prompt: "sample" },
          driver: randomK(2),
          agentRun: { profile: { name: "scripted" }, taskToPrompt: ({ prompt }: { prompt: string }) => prompt },
          output: { parse: (events: readonly StoredEvent[]) => events.length },
          sandboxClient: createScriptedSandbox(),
        }),
      }),
    },
  });
  document = (await (await request("GET", "/api/openapi.json")).json()) as Document;
  task = (
    (await (await request("POST", "/api/runs", { name: "echo", input: { prompt: "x" } })).json()) as {
      sessionId: string;
    }
  ).sessionId;
  loop = ((await (await request("POST", "/api/runs", { name: "sample" })).json()) as { sessionId: string }).sessionId;
  await app.settled();
});

afterAll(async () => {
  await app.close();
  await store.close();
});

/** Says what an answer has against the document; undefined where they agree. */
async function findFault(route: string, method: string, answer: Response): Promise<string | undefined> {
  const operation = document.paths[route]?.[method];
  if (operation === undefined) return `${method} ${route} is not in the document`;
  const described =
    operation.responses[String(answer.status)] ?? (answer.status >= 400 ? operation.responses["default"] : undefined);
  if (described === undefined) return `${answer.status} is not described`;
  const type = (answer.headers.get("content-type") ?? "").split(";")[0]!;
  const schema = described.content?.[type]?.schema;
  if (schema === undefined) return described.content === undefined ? undefined : `${type} is not described`;
  if (!/[/+]json$/.test(type)) return undefined;
  const validate = new Ajv2020({ strict: false }).compile({ ...schema, components: document.components });
  return validate(await answer.json()) ? undefined : JSON.stringify(validate.errors);
}

describe("the OpenAPI document", () => {
  it("is of version 3.1 and has every route of the app, and no other", () => {
    expect(document.openapi).toBe("3.1.0");
    const served = new Set(
      app.routes
        .filter(({ method, path }) => method !== "ALL" && !["/api/openapi.json", "*"].includes(path))
        .map(
          ({ method, path }) =>
            `${method.toLowerCase()} ${path.replace("/v1/stream/*", "/v1/stream/{path}").replaceAll(/:(\w+)/g, "{$1}")}`,
        ),
    );
    const described = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method} ${path}`),
    );
    expect(described.sort()).toEqual([...served].sort());
  });

  it("says what the server answers, also where it refuses", async () => {
    const json = { headers: { accept: "application/json" } };
    const answers: [route: string, method: string, answer: Response][] = [
      ["/healthz", "get", await request("GET", "/healthz")],
      ["/api/sessions", "get", await request("GET", "/api/sessions?limit=1")],
      ["/api/sessions", "get", await request("GET", "/api/sessions?limit=x")],
      ["/api/sessions/{id}", "get", await request("GET", `/api/sessions/${task}`)],
      ["/api/sessions/{id}", "get", await request("GET", `/api/sessions/${loop}`)],
      ["/api/sessions/{id}", "get", await request("GET", "/api/sessions/nobody")],
      ["/api/sessions/{id}/events", "get", await request("GET", `/api/sessions/${task}/events`)],
      ["/api/sessions/{id}/events", "get", await app.request(`http://localhost/api/sessions/${loop}/events`, json)],
      ["/api/sessions/{id}/lineage", "get", await request("GET", `/api/sessions/${loop}/lineage`)],
      ["/api/sessions/{id}/abort", "post", await request("POST", `/api/sessions/${task}/abort`, {})],
      ["/api/sessions/{id}/fork", "post", await request("POST", `/api/sessions/${task}/fork`, { atSeq: 1 })],
      ["/api/sessions/{id}/fork", "post", await request("POST", `/api/sessions/${task}/fork`, { atSeq: 100 })],
      ["/api/access", "get", await request("GET", "/api/access")],
      ["/api/tokens", "get", await request("GET", "/api/tokens")],
      ["/api/tasks", "get", await request("GET", "/api/tasks")],
      ["/api/runs", "get", await request("GET", "/api/runs")],
      ["/api/runs", "post", await request("POST", "/api/runs", { name: "nothing" })],
      ["/api/runs/{id}", "get", await request("GET", `/api/runs/${task}`)],
      ["/api/runs/{id}/boxes", "get", await request("GET", `/api/runs/${loop}/boxes`)],
      ["/api/runs/{id}/resume", "post", await request("POST", `/api/runs/${task}/resume`, { input: { prompt: "y" } })],
      ["/api/runs/{id}/answer", "post", await request("POST", `/api/runs/${task}/answer`, { requestId: "q" })],
      ["/api/chat/{id}", "get", await request("GET", "/api/chat/new")],
      ["/api/chat/{id}", "get", await request("GET", "/api/chat/new?limit=0")],
      ["/api/chat/{id}/stream", "get", await request("GET", "/api/chat/new/stream")],
      ["/api/blobs/{digest}", "get", await request("GET", "/api/blobs/nothing")],
      ["/v1/session/{id}", "get", await request("GET", `/v1/session/${task}`)],
      ["/v1/session/{id}/run/{runId}", "get", await request("GET", `/v1/session/${task}/run/none`)],
      ["/v1/stream/{path}", "get", await request("GET", "/v1/stream/none")],
    ];
    for (const [route, method, answer] of answers)
      expect({ route, method, status: answer.status, fault: await findFault(route, method, answer) }).toEqual({
        route,
        method,
        status: answer.status,
        fault: undefined,
      });
  });
});
