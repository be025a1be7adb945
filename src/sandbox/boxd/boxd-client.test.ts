import { mkdtemp, readdir, rm } from "node:fs/promises";
import type { Server as HttpServer } from "node:http";
import { createServer as createHttpServer } from "node:http";
import type { Server, Socket } from "node:net";
import { createConnection, createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { collect } from "../../testing/box-events.ts";
import { BoxAgent } from "./box-agent.ts";
import { BoxdClient } from "./boxd-client.ts";
import { createBoxdServer } from "./boxd-server.ts";
import { ClientPresence } from "./client-presence.ts";
import type { BoxdConfig } from "./protocol.ts";
import { Turns } from "./turns.ts";

let folder: string;
let socket: string;
let server: Server | HttpServer | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "skein-boxd-"));
  socket = join(folder, "s");
});

afterEach(async () => {
  server?.close();
  await rm(folder, { recursive: true, force: true });
});

const client = (): BoxdClient =>
  new BoxdClient({ id: "box_1", claimMs: 1000, connect: () => createConnection(socket) });

/** A box in which something answers every request with these bytes. */
async function answerWith(...bodies: readonly string[]): Promise<void> {
  let next = 0;
  server = createHttpServer((request, response) => {
    const body = bodies[Math.min(next++, bodies.length - 1)] as string;
    request.resume().once("end", () => response.end(body));
  }).listen(socket);
  await once(server, "listening");
}

const ACCEPTED = '{"known":false,"acknowledged":0}';
const turn = (id: string, seq: number, body = '"type":"text.delta","text":"x"'): string =>
  `{${body},"turn":{"id":"${id}","seq":${seq}}}\n`;

describe("the host's side of a box", () => {
  it.each([
    ["no JSON", "hello\n"],
    ["another turn", turn("other", 1)],
    ["a gap", turn("t", 2)],
    ["a number twice", turn("t", 1) + turn("t", 1)],
    [
      "a type that only the stream may write",
      turn("t", 1, '"type":"final","status":"completed","reason":"x","usage":{},"durationMs":1'),
    ],
    ["a type that nobody knows", turn("t", 1, '"type":"surprise"')],
    ["no shape", turn("t", 1, '"type":"tool.ended","toolCallId":1')],
    ["an end that is none", '{"end":{"status":"superb"}}\n'],
    ["a code of the host's", '{"end":{"status":"failed","error":{"code":"store_corrupt","message":"x"}}}\n'],
    ["null", "null\n"],
    ["a prototype", turn("t", 1, '"type":"__proto__"')],
  ])("takes %s for nonsense, and says so", async (_what, lines) => {
    await answerWith(ACCEPTED, lines);
    await expect(collect(client().streamPrompt("hello", { turnId: "t" }))).rejects.toMatchObject({
      code: "box_protocol",
    });
  });

  it("takes an answer without a bound, or of another box, for nonsense", async () => {
    await answerWith("x".repeat(2 * 1024 * 1024));
    await expect(client().health()).rejects.toMatchObject({ code: "box_protocol" });
    await expect(client().session("c").status()).rejects.toMatchObject({ code: "box_protocol" });
    await expect(client().exec(["true"])).rejects.toMatchObject({ code: "box_protocol" });
    server?.close();
    await answerWith('{"protocol":1,"boxId":"box_2","idleMs":0}');
    await expect(client().health()).rejects.toMatchObject({ code: "box_protocol" });
  });

  it("opens a connection that breaks again, and gives up when nothing comes any more", async () => {
    const answers = [turn("t", 1), turn("t", 2), `${turn("t", 3)}{"end":{"status":"completed"}}\n`];
    let requests = 0;
    server = createHttpServer((request, response) => {
      request.resume();
      if (request.method === "POST") return void response.end(ACCEPTED);
      expect(request.url).toContain(`after=${requests}`);
      response.write(answers[requests++], () => {
        if (requests < 3) response.destroy();
        else response.end();
      });
    }).listen(socket);
    await once(server, "listening");
    expect((await collect(client().streamPrompt("hello", { turnId: "t" }))).map((event) => event.turn?.seq)).toEqual([
      1, 2, 3,
    ]);
    server.close();
    server = createServer((connection: Socket) => connection.destroy()).listen(socket);
    await once(server, "listening");
    await expect(collect(client().resumeTurn("t", { after: 0 }))).rejects.toMatchObject({ code: "box_gone" });
  });

  it("B1: ends a box that it holds and whose boxd keeps its limits no more, because it says nothing", async () => {
    server = createServer((connection: Socket) => void connection.on("error", () => {})).listen(socket);
    await once(server, "listening");
    let tell = (): void => {};
    const ended = new Promise<void>((resolve) => (tell = resolve));
    const silent = new BoxdClient({
      id: "box_1",
      claimMs: 100,
      connect: () => createConnection(socket),
      watched: { patienceMs: 50, standsStill: async () => false, end: async () => tell() },
    });
    silent.hold();
    await ended;
    server.close();
    await expect(silent.exec(["true"])).rejects.toMatchObject({
      code: "box_gone",
      message: expect.stringContaining("its boxd, which keeps its limits, did not answer") as string,
    });
  });
});

describe("boxd's socket", () => {
  async function openBoxd(): Promise<void> {
    const config: BoxdConfig = {
      boxId: "box_1",
      version: "0",
      contained: false,
      workspace: folder,
      home: folder,
      run: folder,
      claimMs: 60_000,
      profile: { name: "scripted", agent: "scripted" },
      env: { PATH: process.env["PATH"] ?? "" },
      agentStart: "lazy",
    };
    const agent = new BoxAgent(config, () => {});
    const turns = new Turns({
      agent,
      folder: join(folder, "turns"),
      ready: Promise.resolve(),
      takePatch: async () => undefined,
      freeze: () => () => {},
    });
    server = createBoxdServer({
      config,
      turns,
      presence: new ClientPresence(),
      identity: { boxId: "box_1", take: () => {} },
    }).listen(socket);
    await once(server, "listening");
  }

  it("B1: bears any nonsense and goes on", async () => {
    await openBoxd();
    const send = async (bytes: string | Uint8Array): Promise<void> => {
      const connection = createConnection(socket);
      connection.on("error", () => {});
      connection.end(bytes);
      connection.resume();
      await once(connection, "close");
    };
    const paths = fc.constantFrom(
      "/",
      "/turns",
      "/turns//events",
      "/turns/x/events?after=-1",
      "/turns/x/cancel",
      "/conversations/%",
      "/conversations/x",
      "/exec",
      "/files",
      "/files?path=..%2f..%2fetc%2fpasswd",
      "/files?path=%00",
      "/quiesce/../x",
      "//",
      "/%zz",
    );
    const methods = fc.constantFrom("GET", "POST", "PUT", "DELETE", "OPTIONS", "X");
    const bodies = fc.oneof(
      fc.json(),
      fc.string(),
      fc.constantFrom('{"turnId":5}', '{"command":[]}', '{"command":["a",1]}', '{"through":"x"}', "[]", "null"),
    );
    await fc.assert(
      fc.asyncProperty(methods, paths, bodies, async (method, path, body) => {
        await send(
          `${method} ${path} HTTP/1.1\r\nhost: box\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        );
      }),
      { numRuns: 200 },
    );
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), send), { numRuns: 100 });
    expect(await client().health()).toMatchObject({ boxId: "box_1" });
    expect((await readdir(folder)).sort()).toEqual([".skein", "s", "turns"]);
  });
});
