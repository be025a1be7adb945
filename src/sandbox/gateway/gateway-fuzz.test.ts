import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo, Server, Socket } from "node:net";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createConnection, createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { BoxGateway, GatewayLine } from "../box-gateway.ts";
import type { ModelGatewayOptions } from "./gateway-options.ts";
import { createModelGateway } from "./model-gateway.ts";

const KEY = "real-key-of-the-host";
const GOOD = JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }] });
const ANSWER = JSON.stringify({ model: "m", usage: { prompt_tokens: 2, completion_tokens: 1 } });

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Something that answers like a model, and what it was asked, as `METHOD path`. */
async function openUpstream(
  answer: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) =>
    void response.writeHead(200, { "content-type": "application/json" }).end(ANSWER),
): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createHttpServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    request.resume().on("end", () => answer(request, response));
  });
  const port = await listen(server);
  closers.push(() => server.closeAllConnections());
  return { url: `http://127.0.0.1:${port}`, asked };
}

async function openBox(gateway: BoxGateway): Promise<{ port: number; line: GatewayLine }> {
  const line = gateway.openBox({ id: "b" });
  closers.push(() => line.close());
  return { port: await listen(createServer((socket) => line.accept(socket))), line };
}

const openDoor = (url: string, more: Partial<ModelGatewayOptions> = {}): ReturnType<typeof openBox> =>
  openBox(createModelGateway({ upstreams: [{ api: "openai", baseUrl: `${url}/v1`, key: KEY }], ...more }));

/** Writes the bytes, and gives back all that came until the connection was closed. @param isLast nothing more will be written, which ends what is half */
function throwAt(port: number, bytes: string | Buffer, isLast = false): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket: Socket = createConnection(
      port,
      "127.0.0.1",
      () => void (isLast ? socket.end(bytes) : socket.write(bytes)),
    );
    socket.on("data", (part) => (text += part.toString("latin1")));
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
  });
}

const request = (line: string, headers: readonly string[] = [], body = ""): string =>
  [`${line} HTTP/1.1`, "host: box", `content-length: ${Buffer.byteLength(body)}`, ...headers, "", body].join("\r\n");
const goodCall = (port: number): Promise<string> =>
  throwAt(port, request("POST /openai/chat/completions", ["connection: close"], GOOD));

/** The same numbers each time: what fails once fails again. */
function createDice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe("the gateway, thrown nonsense at", () => {
  it("B1: bears random bytes and requests that go wrong half-way, and goes on", async () => {
    const upstream = await openUpstream();
    const { port } = await openDoor(upstream.url);
    const dice = createDice(7);
    const whole = request("POST /openai/chat/completions", [], GOOD);
    for (let round = 0; round < 150; round++) {
      const bytes = Buffer.from(whole);
      const kind = dice(3);
      if (kind === 0) await throwAt(port, Buffer.from(Array.from({ length: dice(300) }, () => dice(256))), true);
      else if (kind === 1) await throwAt(port, bytes.subarray(0, dice(bytes.length)), true);
      else {
        for (let times = 1 + dice(4); times > 0; times--) bytes[dice(bytes.length)] = dice(256);
        await throwAt(port, bytes, true);
      }
    }
    expect(await goodCall(port)).toContain("200 OK");
    // What got through was a call of a model, however it was spelled.
    for (const asked of upstream.asked)
      expect(asked).toMatch(/^POST \/v1\/[^?]*(completions|responses|embeddings|compact)/);
  });

  it.each([
    ["a place above the base", "POST /openai/../../secret/chat/completions"],
    ["a place above the base in disguise", "POST /openai/%2e%2e/%2E%2E/secret/chat/completions"],
    ["another host, by an absolute address", "POST http://example.org/v1/chat/completions"],
    ["another host, by two slashes", "POST //example.org/v1/chat/completions"],
    ["another host, by a user's name", "POST http://127.0.0.1@example.org/openai/chat/completions"],
    ["an address that is none", "POST http://"],
    ["a path with broken escapes", "POST /openai/%zz/chat/completions%"],
    ["an upstream named like what every object has", "POST /constructor/chat/completions"],
    ["a tunnel to a model's host", "CONNECT 127.0.0.1:80"],
    ["a tunnel to nowhere", "CONNECT :"],
    ["the host's own files", "GET file:///etc/passwd"],
  ])("B1: leads to %s for nobody", async (_what, line) => {
    const upstream = await openUpstream();
    const { port } = await openDoor(upstream.url, { allowHosts: ["only.example"] });
    expect(await throwAt(port, request(line, ["connection: close"], GOOD))).not.toMatch(/^HTTP\/1.1 2/);
    expect(upstream.asked.filter((asked) => !asked.startsWith("POST /v1/"))).toEqual([]);
    expect(await goodCall(port)).toContain("200 OK");
  });

  it("B1: lets no second request in behind a first whose end is told in two ways, and speaks no WebSocket", async () => {
    const upstream = await openUpstream();
    const { port } = await openDoor(upstream.url);
    const smuggled = "GET /openai/models/secret HTTP/1.1\r\nhost: x\r\n\r\n";
    await throwAt(
      port,
      `POST /openai/chat/completions HTTP/1.1\r\nhost: b\r\ncontent-length: ${smuggled.length + 5}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
      true,
    );
    expect(upstream.asked.join()).not.toContain("secret");
    const upgrade = ["connection: Upgrade", "upgrade: websocket", "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA=="];
    expect(await throwAt(port, request("GET /openai/models", upgrade))).not.toContain("101");
    expect(await goodCall(port)).toContain("200 OK");
  });

  it("bears bodies that are no JSON, or not the JSON that they should be", async () => {
    const upstream = await openUpstream();
    const { port, line } = await openDoor(upstream.url);
    for (const body of [
      "",
      "{",
      "null",
      "[]",
      "3",
      '{"model":{}}',
      '{"stream":true,"stream_options":5}',
      "\u0000\u0001",
    ])
      expect(await throwAt(port, request("POST /openai/chat/completions", ["connection: close"], body))).toContain(
        "200 OK",
      );
    expect(line.failure()).toBeUndefined();
  });

  it("bears a model that answers nonsense, says so once for each call, and keeps the key", async () => {
    const answers = [
      "nonsense\r\n\r\n",
      "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
      "HTTP/1.1 99999 What\r\n\r\n",
      `HTTP/1.1 200 OK\r\nx: ${"y".repeat(100_000)}\r\n\r\n`,
      `HTTP/1.1 500 No\r\ncontent-length: ${KEY.length}\r\nconnection: close\r\n\r\n${KEY}`,
      "",
    ];
    let next = 0;
    const rude = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end(answers[next++] ?? ""));
    });
    const port = await listen(rude);
    const door = await openDoor(`http://127.0.0.1:${port}`);
    for (const _answer of answers) {
      await goodCall(door.port);
      expect(door.line.failure()).toMatchObject({ code: "model_failed" });
    }
    const events = door.line.take();
    expect(events.filter((event) => event.type === "custom" && event.name === "model.failed")).toHaveLength(
      answers.length,
    );
    expect(JSON.stringify(events)).not.toContain(KEY);
  });

  it("turns connections away that are more than any agent has in hand, and has room again when they are gone", async () => {
    const upstream = await openUpstream();
    const { port } = await openDoor(upstream.url);
    const sockets = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const socket = createConnection(port, "127.0.0.1").on("error", () => {});
        await once(socket, "connect");
        return socket;
      }),
    );
    const closed = sockets.map((socket) => once(socket, "close"));
    // 128 are kept, and say nothing; the others were closed at once.
    await Promise.all(sockets.slice(128).map(() => Promise.race(closed)));
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);
    while (!(await goodCall(port)).includes("200 OK")) await new Promise((resolve) => setImmediate(resolve));
  });

  it("K3: ends the calls of all its boxes when the work that they share is aborted", async () => {
    const gone: Promise<unknown>[] = [];
    let arrived = 0;
    let all: () => void = () => {};
    const asked = new Promise<void>((resolve) => (all = resolve));
    const upstream = await openUpstream((_request, response) => {
      // It begins to answer and never ends.
      response.writeHead(200, { "content-type": "text/event-stream" }).write("data: {}\n\n");
      gone.push(once(response, "close"));
      if (++arrived === 6) all();
    });
    const controller = new AbortController();
    const gateway = createModelGateway({
      upstreams: [{ api: "openai", baseUrl: `${upstream.url}/v1` }],
      signal: controller.signal,
    });
    const boxes = await Promise.all(Array.from({ length: 6 }, () => openBox(gateway)));
    const calls = boxes.map(({ port }) => {
      const socket = createConnection(port, "127.0.0.1").on("error", () => {});
      socket.write(request("POST /openai/chat/completions", ["connection: close"], GOOD));
      socket.resume();
      return once(socket, "close");
    });
    await asked;
    controller.abort();
    await Promise.all([...calls, ...gone]);
    for (const { port, line } of boxes) {
      line.beginTurn();
      expect(await goodCall(port)).toContain("403");
    }
    expect(upstream.asked).toHaveLength(6);
  });
});
