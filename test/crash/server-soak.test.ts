import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { runTask } from "skein";
import { createIterableBackend } from "skein/backend/iterable";
import { createClient } from "skein/client";
import { openSqliteStore } from "skein/store/sqlite";
import { afterAll, beforeAll, expect, it } from "vitest";

const SECONDS = Number(process.env["SKEIN_SOAK_SECONDS"] ?? 20);
const SESSIONS = 20;
const READERS = 200;
/** Once a minute, and several times in the short form. */
const MIN_KILLS = 3;
const KILL_EVERY_MS = Math.min(60_000, (SECONDS * 1000) / 5);

let folder: string;
let server: ChildProcess | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "skein-soak-"));
});

afterAll(async () => {
  server?.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Below the ports that the system gives to those who connect: a reader that tries a port at which nobody listens could otherwise be given that very
 * port for itself, reach itself, and keep the server from coming back.
 */
function choosePort(): number {
  return 20_000 + Math.floor(Math.random() * 10_000);
}

/** `skein serve` over the folder; false where it ended instead of listening. */
async function serve(port: number): Promise<boolean> {
  const command = ["dist/cli/main.js", "serve", "--json", "--port", String(port), "--data", folder];
  server = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "inherit"] });
  const line = once(createInterface({ input: server.stdout! }), "line").then(() => true);
  return Promise.race([line, once(server, "exit").then(() => false)]);
}

async function killServer(): Promise<void> {
  // One that ended by itself would be waited for without end.
  expect(server).toMatchObject({ exitCode: null, signalCode: null });
  const exit = once(server!, "exit");
  server!.kill("SIGKILL");
  await exit;
}

/** Everything that a reader saw, as a count and a hash: whether it is the log, byte for byte, is asked at the end. */
interface Reader {
  readonly sessionId: string;
  after: number;
  readonly hash: ReturnType<typeof createHash>;
  faults: number;
  connections: number;
  lost: number;
}

it(
  `L4: ${READERS} readers that come and go lose and double nothing while the server is killed`,
  { timeout: (SECONDS + 300) * 1000 },
  async () => {
    let port = choosePort();
    while (!(await serve(port))) port = choosePort();
    const url = `http://127.0.0.1:${port}`;
    await using store = await openSqliteStore(join(folder, "skein.db"));
    const endsAt = Date.now() + SECONDS * 1000;
    let kills = 0;
    // A slow machine takes longer, it does not kill less.
    const isOver = (): boolean => Date.now() >= endsAt && kills >= MIN_KILLS;

    // Runs one after the other in each session: about ten events a second for ten readers each.
    const backend = createIterableBackend("soak", async function* soak() {
      for (let word = 0; word < 50 && !isOver(); word++) {
        yield { type: "text.delta", text: `word ${word} of ${Math.random()} ` };
        await pause(100);
      }
    });
    const write = async (sessionId: string): Promise<void> => {
      for (let run = 0; !isOver(); run++)
        await runTask({ task: `run ${run}`, backend, store, sessionId, resume: run > 0 });
    };
    const writing = Array.from({ length: SESSIONS }, (_, session) => write(`soak-${session}`));
    for (let session = 0; session < SESSIONS; session++)
      while ((await store.get(`soak-${session}`)) === undefined) await pause(10);

    const readers = Array.from({ length: READERS }, (_, reader): Reader => {
      const sessionId = `soak-${reader % SESSIONS}`;
      return { sessionId, after: 0, hash: createHash("sha256"), faults: 0, connections: 0, lost: 0 };
    });
    const client = createClient({ url });
    const ends = new Map<string, number>();
    const isDone = ({ sessionId, after }: Reader): boolean => after === ends.get(sessionId);
    const read = async (reader: Reader): Promise<void> => {
      while (!isDone(reader)) {
        // A reader stays for a while, goes, and comes back with the position of its last event.
        const stay = AbortSignal.timeout(2_000 + Math.floor(Math.random() * 8_000));
        const options = {
          after: reader.after,
          signal: stay,
          onConnection: (state: "open" | "lost") => {
            if (state === "open") reader.connections += 1;
            else reader.lost += 1;
          },
        };
        for await (const event of client.follow(reader.sessionId, options)) {
          if (event.seq !== reader.after + 1) reader.faults += 1;
          reader.after = event.seq;
          reader.hash.update(`${JSON.stringify(event)}\n`);
          if (isDone(reader)) break;
        }
      }
    };
    const reading = readers.map(read);

    while (!isOver()) {
      await pause(KILL_EVERY_MS);
      await killServer();
      kills += 1;
      expect(await serve(port)).toBe(true);
    }
    await Promise.all(writing);
    // Only now is it known how far each reader has to come; one more event wakes those who are there.
    for (let session = 0; session < SESSIONS; session++) {
      await using writer = await store.openWriter(`soak-${session}`);
      const [last] = await writer.append([{ type: "custom", name: "end", data: null }]);
      ends.set(`soak-${session}`, last!.seq);
    }
    await Promise.all(reading);

    const wanted = new Map<string, string>();
    let events = 0;
    for (const sessionId of ends.keys()) {
      const hash = createHash("sha256");
      for await (const event of store.read(sessionId)) {
        events += 1;
        hash.update(`${JSON.stringify(event)}\n`);
      }
      wanted.set(sessionId, hash.digest("hex"));
    }
    const sum = (count: (reader: Reader) => number): number =>
      readers.reduce((total, reader) => total + count(reader), 0);
    const wrong = readers.filter(({ sessionId, hash }) => hash.digest("hex") !== wanted.get(sessionId));
    console.log(
      `soak: ${Math.round((Date.now() - endsAt) / 1000) + SECONDS} s, ${kills} kills, ${READERS} readers, ${sum(({ connections }) => connections)} connections, ${sum(({ lost }) => lost)} broken, ` +
        `${events} events stored, ${sum(({ after }) => after)} delivered, ${sum(({ faults }) => faults)} lost or doubled`,
    );
    expect(sum(({ faults }) => faults)).toBe(0);
    expect(wrong).toEqual([]);
    expect(sum(({ after }) => after)).toBe(sum(({ sessionId }) => ends.get(sessionId)!));
  },
);
