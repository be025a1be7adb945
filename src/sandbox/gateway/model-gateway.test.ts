import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo, Server } from "node:net";
import { once } from "node:events";
import { createServer as createHttpServer, request as httpRequest } from "node:http";
import { createConnection, createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { BackendEventBody } from "../../event/event.ts";
import type { ScriptedModel } from "../../testing/model/scripted-model.ts";
import { startScriptedModel } from "../../testing/model/scripted-model.ts";
import type { GatewayLine } from "../box-gateway.ts";
import type { ModelGatewayOptions } from "./gateway-options.ts";
import { createModelGateway } from "./model-gateway.ts";

const KEY = "real-key-of-the-host";
const PLACEHOLDER = "placeholder";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Door {
  readonly url: string;
  readonly line: GatewayLine;
}

/** The gateway as a box sees it: a port of the loopback. */
async function openDoor(options: ModelGatewayOptions, token?: string): Promise<Door> {
  const line = createModelGateway(options).openBox({ id: "box_1", ...(token === undefined ? {} : { token }) });
  const server = await listen(createServer((socket) => line.accept(socket)));
  closers.push(() => line.close());
  return { url: urlOf(server), line };
}

async function listen<Kind extends Server>(server: Kind): Promise<Kind> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  return server;
}

const urlOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

async function openModel(): Promise<ScriptedModel> {
  const model = await startScriptedModel({ key: KEY });
  closers.push(() => model.close());
  return model;
}

const upstreamsOf = (model: ScriptedModel): ModelGatewayOptions["upstreams"] => [
  { api: "openai", baseUrl: `${model.url}/v1`, key: KEY },
  { api: "anthropic", baseUrl: model.url, key: KEY },
  { api: "gemini", baseUrl: model.url, key: KEY },
];

const prompt = "{{say: hello you}}";
const tool = { type: "object", properties: { command: { type: "string" } }, required: ["command"] };
const BODIES = {
  chat: {
    path: "/openai/chat/completions",
    body: {
      model: "m",
      messages: [{ role: "user", content: prompt }],
      tools: [{ type: "function", function: { name: "bash", parameters: tool } }],
    },
  },
  responses: {
    path: "/openai/responses",
    body: {
      model: "m",
      input: [{ role: "user", content: [{ type: "input_text", text: prompt }] }],
      tools: [{ type: "function", name: "shell", parameters: tool }],
    },
  },
  messages: {
    path: "/anthropic/v1/messages",
    body: {
      model: "m",
      max_tokens: 9,
      messages: [{ role: "user", content: prompt }],
      tools: [{ name: "Bash", input_schema: tool }],
    },
  },
  gemini: {
    path: "/gemini/v1beta/models/m:generateContent?key=placeholder",
    body: {
      contents: [{ role: "user", parts: [{ text: prompt }] }],
      tools: [{ functionDeclarations: [{ name: "run_shell_command", parameters: tool }] }],
    },
  },
} as const;
type Api = keyof typeof BODIES;
const APIS = Object.keys(BODIES) as Api[];

/** Without keep-alive, so that nothing of one test is left for the next. */
function ask(
  door: Door,
  api: Api,
  stream = false,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string }> {
  const { path, body } = BODIES[api];
  const target =
    stream && api === "gemini" ? path.replace(":generateContent?", ":streamGenerateContent?alt=sse&") : path;
  return post(`${door.url}${target}`, { ...body, ...(stream && api !== "gemini" ? { stream } : {}) }, headers);
}

async function post(
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string }> {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${PLACEHOLDER}`,
      connection: "close",
      ...headers,
    },
    body: JSON.stringify(body),
  });
  return { status: response.status, text: await response.text() };
}

const usageIn = (events: readonly BackendEventBody[]): readonly BackendEventBody[] =>
  events.filter(({ type }) => type === "usage.reported");

describe("the gateway of a box", () => {
  it.each(
    APIS.flatMap(
      (api) =>
        [
          [api, false],
          [api, true],
        ] as const,
    ),
  )("passes %s (a stream: %s) on with the real key, and meters it", async (api, stream) => {
    const model = await openModel();
    const door = await openDoor({ upstreams: upstreamsOf(model) });
    const { status, text } = await ask(door, api, stream);
    expect(status).toBe(200);
    expect(text).toContain("hello");
    expect(text).not.toContain(KEY);
    expect(usageIn(door.line.take())).toEqual([
      { type: "usage.reported", model: "m", inputTokens: 5, outputTokens: 3, cachedTokens: 0 },
    ]);
    const [seen] = model.requests;
    expect(JSON.stringify(seen?.headers)).not.toContain(PLACEHOLDER);
    expect(seen?.path).not.toContain("key=");
    const { stream_options: asked, ...rest } = (seen?.body ?? {}) as Record<string, unknown>;
    expect(rest).toEqual({ ...BODIES[api].body, ...(stream && api !== "gemini" ? { stream: true } : {}) });
    expect(asked).toEqual(api === "chat" && stream ? { include_usage: true } : undefined);
    expect(door.line.failure()).toBeUndefined();
  });

  it("L10: leaves out what the provider does not tell, and tells a cost only where there is a price", async () => {
    const model = await openModel();
    const priced = await openDoor({
      upstreams: upstreamsOf(model),
      prices: { m: { inputUsd: 1_000_000, outputUsd: 2_000_000 } },
    });
    await ask(priced, "messages");
    expect(usageIn(priced.line.take())).toMatchObject([{ costUsd: 11 }]);
    const silent = await listen(createHttpServer((_request, response) => void response.end('{"choices":[]}')));
    const door = await openDoor({ upstreams: [{ api: "openai", baseUrl: urlOf(silent) }] });
    await ask(door, "chat");
    expect(door.line.take()).toEqual([]);
  });

  it("writes an answer through as it comes", async () => {
    let goOn: () => void = () => {};
    const slow = await listen(
      createHttpServer((_request, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write("data: first\n\n");
        goOn = () => void response.end("data: last\n\n");
      }),
    );
    const door = await openDoor({ upstreams: [{ api: "openai", baseUrl: urlOf(slow) }] });
    const response = await fetch(`${door.url}/openai/chat/completions`, { method: "POST", body: '{"stream":true}' });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    expect(Buffer.from((await reader.read()).value as Uint8Array).toString()).toBe("data: first\n\n");
    goOn();
    expect(Buffer.from((await reader.read()).value as Uint8Array).toString()).toBe("data: last\n\n");
  });

  it.each(["400", "401", "429", "500"] as const)(
    "passes a %s through as it is, says so, and forgets it with the next call that goes well",
    async (fault) => {
      const model = await openModel();
      const door = await openDoor({ upstreams: upstreamsOf(model) });
      model.setFault(fault);
      const { status, text } = await ask(door, "chat");
      expect([status, text]).toEqual([Number(fault), expect.stringContaining(`scripted ${fault}`)]);
      expect(door.line.take()).toMatchObject([
        { type: "custom", name: "model.failed", data: { upstream: "openai", model: "m", status: Number(fault) } },
      ]);
      expect(door.line.failure()).toMatchObject({
        code: "model_failed",
        retryable: fault === "429" || fault === "500",
      });
      model.setFault(undefined);
      await ask(door, "chat");
      expect(door.line.failure()).toBeUndefined();
    },
  );

  it("breaks off where the model does, and names a host that is not there", async () => {
    const model = await openModel();
    const door = await openDoor({ upstreams: upstreamsOf(model) });
    model.setFault("cut");
    // Not every client of HTTP notices that the last chunk is missing; the gateway does.
    const answer = await ask(door, "messages", true).catch(() => undefined);
    expect(answer?.text ?? "").not.toContain("message_stop");
    expect(door.line.failure()).toMatchObject({ code: "model_failed", message: expect.stringContaining("broke off") });
    await model.close();
    expect((await ask(door, "chat")).status).toBe(502);
    expect(door.line.failure()?.message).toContain("ECONNREFUSED");
  });

  it("hides the key in what a provider answers about it", async () => {
    const chatty = await listen(
      createHttpServer((_request, response) => void response.writeHead(401).end(`bad key ${KEY}`)),
    );
    const door = await openDoor({ upstreams: [{ api: "openai", baseUrl: urlOf(chatty), key: KEY }] });
    await ask(door, "chat");
    expect(JSON.stringify([door.line.take(), door.line.failure()?.message])).not.toContain(KEY);
  });

  it("K11: makes no further call once the budget is used up, counting what was spent before", async () => {
    const model = await openModel();
    const door = await openDoor({
      upstreams: upstreamsOf(model),
      budget: { maxTokens: 20 },
      spent: { inputTokens: 10 },
    });
    expect((await ask(door, "chat")).status).toBe(200);
    expect((await ask(door, "messages")).status).toBe(200);
    const { status, text } = await ask(door, "gemini");
    expect([status, text]).toEqual([403, expect.stringContaining("budget_exhausted")]);
    expect(model.requests.length).toBe(2);
    expect(door.line.failure()).toMatchObject({ code: "budget_exhausted", retryable: false });
  });

  it("K11: refuses a budget of cost once it is known that nobody tells the cost", async () => {
    const model = await openModel();
    const door = await openDoor({ upstreams: upstreamsOf(model), budget: { maxCostUsd: 1 } });
    expect((await ask(door, "chat")).status).toBe(200);
    expect((await ask(door, "chat")).text).toContain("budget_unmeasured");
    expect(model.requests.length).toBe(1);
  });

  it("K3: ends a call that hangs when the turn is cancelled, refuses more, and lets the next turn's through", async () => {
    const model = await openModel();
    const door = await openDoor({ upstreams: upstreamsOf(model) });
    const asked = new Promise<void>((resolve) => {
      const poll = setInterval(() => {
        if (model.requests.length > 0) resolve(clearInterval(poll));
      }, 2);
    });
    model.setFault("hang");
    const hanging = ask(door, "chat");
    await asked;
    door.line.refuseCalls();
    await expect(hanging.then(({ status }) => status >= 400)).resolves.toBe(true);
    model.setFault(undefined);
    expect((await ask(door, "chat")).status).toBe(403);
    door.line.beginTurn();
    expect((await ask(door, "chat")).status).toBe(200);
  });

  it("K3: is closed for good by its signal", async () => {
    const model = await openModel();
    const controller = new AbortController();
    const door = await openDoor({ upstreams: upstreamsOf(model), signal: controller.signal });
    controller.abort();
    door.line.beginTurn();
    expect((await ask(door, "chat")).status).toBe(403);
    expect(model.requests).toEqual([]);
  });

  it.each([
    ["an upstream that is not configured", "/other/v1/messages", 404],
    ["none", "/", 404],
    ["what else a key opens", "/openai/files", 403],
    ["a path that leads upwards", "/openai/../admin/chat/completions", 404],
    ["a path that leads upwards in disguise", "/openai/%2e%2e/%2e%2e/chat/completions", 404],
  ])("B1: leads to models alone, not to %s", async (_what, path, status) => {
    const model = await openModel();
    const door = await openDoor({ upstreams: [{ api: "openai", baseUrl: `${model.url}/v1`, key: KEY }] });
    const answer = await new Promise<number>((resolve, reject) => {
      httpRequest(`${door.url}/`, { method: "POST", path, agent: false }, (response) =>
        resolve(response.resume().statusCode ?? 0),
      )
        .on("error", reject)
        .end("{}");
    });
    expect(answer).toBe(status);
    expect(model.requests).toEqual([]);
  });

  it("B1: wants the token where others than the box could come in", async () => {
    const model = await openModel();
    const door = await openDoor({ upstreams: upstreamsOf(model) }, "token");
    expect((await ask(door, "chat")).status).toBe(401);
    expect((await ask(door, "chat", false, { authorization: "Bearer token" })).status).toBe(200);
    expect((await ask(door, "messages", false, { authorization: "", "x-api-key": "token" })).status).toBe(200);
    expect(model.requests.length).toBe(2);
  });

  it("B1: leads to hosts that are allowed, and to no other", async () => {
    const site = await listen(
      createHttpServer(
        (request: IncomingMessage, response: ServerResponse) => void response.end(`you asked ${request.url}`),
      ),
    );
    const { port } = site.address() as AddressInfo;
    const door = await openDoor({ upstreams: [], allowHosts: [`127.0.0.1:${port}`, "*.example.com"] });
    const through = (path: string): Promise<string> =>
      new Promise((resolve, reject) => {
        httpRequest(door.url, { path, agent: false }, (response) => {
          let text = `${response.statusCode} `;
          response
            .setEncoding("utf8")
            .on("data", (part: string) => (text += part))
            .on("end", () => resolve(text));
        })
          .on("error", reject)
          .end();
      });
    expect(await through(`http://127.0.0.1:${port}/a?b`)).toBe("200 you asked /a?b");
    expect(await through("http://localhost/a")).toMatch(/^403 /);
    expect(await through("http://example.com.evil/a")).toMatch(/^403 /);
    const tunnel = (host: string): Promise<string> =>
      new Promise((resolve) => {
        const socket = createConnection(Number(new URL(door.url).port), "127.0.0.1", () =>
          socket.write(`CONNECT ${host} HTTP/1.1\r\nhost: ${host}\r\n\r\n`),
        );
        let text = "";
        socket.setEncoding("utf8").on("data", (part: string) => {
          text += part;
          if (text.endsWith("Established\r\n\r\n"))
            socket.write("GET /t HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        });
        socket.once("close", () => resolve(text));
      });
    expect(await tunnel(`127.0.0.1:${port}`)).toContain("you asked /t");
    expect(await tunnel("127.0.0.1:1")).toContain("403 Forbidden");
    expect(await tunnel("nonsense")).toContain("403 Forbidden");
  });

  it("closes the connections on which nothing is under way, and no other", async () => {
    const model = await openModel();
    const door = await openDoor({ upstreams: upstreamsOf(model) });
    const open = (): Promise<{ closed: Promise<unknown>; write(text: string): void; first: Promise<string> }> =>
      new Promise((resolve) => {
        const socket = createConnection(Number(new URL(door.url).port), "127.0.0.1", () => {
          resolve({
            closed: once(socket, "close"),
            write: (text) => void socket.write(text),
            first: once(socket, "data").then(([data]) => String(data)),
          });
        });
        socket.on("error", () => {});
      });
    const idle = await open();
    idle.write("GET /openai/models HTTP/1.1\r\nhost: x\r\n\r\n");
    expect(await idle.first).toContain("200 OK");
    const busy = await open();
    model.setFault("hang");
    const body = JSON.stringify(BODIES.chat.body);
    busy.write(`POST /openai/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    while (model.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    door.line.closeIdle();
    await idle.closed;
    let isClosed = false;
    void busy.closed.then(() => (isClosed = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(isClosed).toBe(false);
    door.line.refuseCalls();
    expect(await busy.first).toContain("HTTP/1.1");
  });

  it.each([
    [{ upstreams: [{ api: "openai" as const, name: "Bad Name" }] }],
    [{ upstreams: [{ api: "openai" as const, baseUrl: "nowhere" }] }],
    [{ upstreams: [{ api: "openai" as const, baseUrl: "ftp://x" }] }],
    [{ upstreams: [{ api: "openai" as const, key: "two\nlines" }] }],
    [{ upstreams: [{ api: "openai" as const }, { api: "openai" as const }] }],
    [{ upstreams: [], allowHosts: ["http://x/"] }],
  ])("refuses options that cannot be meant: %j", (options) => {
    expect(() => createModelGateway(options)).toThrow(expect.objectContaining({ code: "invalid_option" }));
  });
});
