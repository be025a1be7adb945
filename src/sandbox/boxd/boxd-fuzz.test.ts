import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { collect, textIn } from "../../testing/box-events.ts";
import type { LocalBox } from "../local/local-box.ts";
import type { LocalSandboxClient } from "../local/local-sandbox-client.ts";
import { openLocalSandbox } from "../local/open-local-sandbox.ts";
import { connectSocket } from "./socket-path.ts";

const closeOf = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.once("close", resolve));

/** As many as this process may have itself. */
const connections =
  process.platform !== "linux"
    ? 0
    : Math.min(
        2000,
        Math.floor(
          Number(/^Max open files +\d+ +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? 6000) / 3,
        ),
      );

/** Whatever runs in a box can reach boxd's socket. Nothing that it says there may keep boxd from serving its host. */
// Left out elsewhere: how many descriptors boxd may have is read from /proc.
describe.runIf(process.platform === "linux")("B1: boxd serves its host", () => {
  let directory: string;
  let client: LocalSandboxClient;
  let box: LocalBox;
  let open: Socket[];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "skein-fuzz-"));
    client = await openLocalSandbox({ directory, containment: "none" });
    box = await client.create({ profile: { name: "scripted", agent: "scripted" } });
    open = [];
  });
  afterEach(async () => {
    for (const socket of open) socket.destroy();
    await box.delete();
    await client.close();
    await rm(directory, { recursive: true, force: true });
  });

  const connect = (): Socket => {
    const socket = connectSocket(join(directory, "boxes", box.id, "run"), "box.sock");
    // boxd may hang up on whoever speaks nonsense.
    socket.on("error", () => {}).resume();
    open.push(socket);
    return socket;
  };
  const say = async (bytes: string | Uint8Array): Promise<void> => {
    const socket = connect();
    const closed = closeOf(socket);
    socket.end(bytes);
    await closed;
  };
  const expectServed = async (): Promise<void> => {
    expect((await box.exec(["echo", "served"])).stdout).toBe("served\n");
    expect(textIn(await collect(box.streamPrompt("say hi")))).toBe("hi");
  };

  it("after random bytes, and requests that begin well and go on at random", async () => {
    const routes = [
      "GET /health",
      "POST /turns",
      "POST /exec",
      "PUT /files?path=x",
      "POST /identity",
      "GET /turns/%zz/events?after=-1",
      "POST /permissions",
      "DELETE /",
    ];
    const nonsense = fc.oneof(
      fc.uint8Array({ maxLength: 2000 }),
      fc
        .tuple(fc.constantFrom(...routes), fc.string({ maxLength: 300 }), fc.nat({ max: 400 }))
        .map(([route, body, length]) => `${route} HTTP/1.1\r\nhost: box\r\ncontent-length: ${length}\r\n\r\n${body}`),
      fc
        .tuple(fc.constantFrom(...routes), fc.json())
        .map(
          ([route, body]) =>
            `${route} HTTP/1.1\r\nhost: box\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        ),
    );
    await fc.assert(fc.asyncProperty(nonsense, say), { numRuns: 150 });
    await expectServed();
  });

  it("after heads and bodies without end", async () => {
    await say(`GET /health HTTP/1.1\r\nx: ${"y".repeat(1024 * 1024)}\r\n\r\n`);
    const length = 1024 * 1024 * 1024;
    const giant = connect();
    const hungUp = closeOf(giant);
    giant.write(`POST /turns HTTP/1.1\r\nhost: box\r\ncontent-length: ${length}\r\n\r\n`);
    const chunk = Buffer.alloc(1024 * 1024, "x");
    for (let sent = 0; sent < 40 && !giant.destroyed; sent++)
      if (!giant.write(chunk)) await Promise.race([new Promise((resolve) => giant.once("drain", resolve)), hungUp]);
    await say("POST /exec HTTP/1.1\r\nhost: box\r\ntransfer-encoding: chunked\r\n\r\nfffffffff\r\nx");
    await expectServed();
  });

  it("while many connections are open that say nothing, or half of something", async () => {
    const halves = [
      "",
      "GET /hea",
      "POST /turns HTTP/1.1\r\nhost: box\r\ncontent-length: 9\r\n\r\n{",
      "GET /quiesce HTTP/1.1\r\n",
    ];
    for (let index = 0; index < connections; index++) {
      const socket = connect();
      socket.write(halves[index % halves.length] as string);
      // Not more at once than the kernel lets wait in line.
      if (index % 100 === 99) await box.health();
    }
    await expectServed();
  });
});
