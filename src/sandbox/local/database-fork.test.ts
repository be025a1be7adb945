import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { collect } from "../../testing/box-events.ts";
import type { BoxFile } from "../sandbox.ts";
import { canContainHere } from "./contained-here.test.support.ts";
import { openLocalSandbox } from "./open-local-sandbox.ts";

/** This package's dependencies, which lie three folders above the compiled test. */
const MODULES = fileURLToPath(new URL("../../../node_modules/", import.meta.url));
const FORKS = 2;
/** Rows of one transaction. */
const AT_ONCE = 5;

/** An agent that goes on writing its database once it was prompted, turn or no turn, as agents do. */
const AGENT = `
import { createInterface } from "node:readline";
import Database from "libsql";
const send = (message) => console.log(JSON.stringify({ jsonrpc: "2.0", ...message }));
const write = (mode, onBegun) => {
  const database = new Database(process.env.HOME + "/agent.db");
  database.exec("PRAGMA journal_mode = " + mode + "; PRAGMA wal_autocheckpoint = 20; CREATE TABLE word (n INTEGER PRIMARY KEY, text TEXT)");
  const insert = database.prepare("INSERT INTO word VALUES (?, ?)");
  let n = 0;
  const go = () => {
    database.exec("BEGIN");
    for (let index = 0; index < ${AT_ONCE}; index++) insert.run(++n, "x".repeat((n * 997) % 3000));
    database.exec("COMMIT");
    if (n === 20 * ${AT_ONCE}) onBegun();
    setImmediate(go);
  };
  go();
};
createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  if (method === "initialize") send({ id, result: { protocolVersion: 1, agentCapabilities: {} } });
  else if (method === "session/new") send({ id, result: { sessionId: "s" } });
  else if (method === "session/prompt") write(params.prompt[0].text, () => send({ id, result: { stopReason: "end_turn" } }));
});`;

const CHECK = `
import Database from "libsql";
const database = new Database(process.env.HOME + "/agent.db");
const [{ integrity_check }] = database.prepare("PRAGMA integrity_check").all();
const { rows, first, last } = database.prepare("SELECT count(*) AS rows, min(n) AS first, max(n) AS last FROM word").get();
console.log(JSON.stringify({ integrity_check, rows, first, last }));`;

/** What SQLite needs, for a workspace. */
async function listDatabasePackage(): Promise<BoxFile[]> {
  const builds = (await readdir(join(MODULES, "@libsql"))).map((name) => `@libsql/${name}`);
  return ["libsql", "@neon-rs/load", "detect-libc", ...builds].map((name) => ({
    path: `node_modules/${name}`,
    from: join(MODULES, name),
  }));
}

// A machine without bubblewrap has no contained boxes.
describe.each((await canContainHere()) ? (["require", "none"] as const) : (["none"] as const))(
  "an agent's database (containment: %s)",
  (containment) => {
    it.each(["WAL", "DELETE"])(
      "B2: is whole in every fork that is made while the agent writes it (journal: %s)",
      async (journal) => {
        const directory = await mkdtemp(join(tmpdir(), "skein-database-"));
        const client = await openLocalSandbox({ directory, containment });
        try {
          const box = await client.create({
            profile: { name: "writer", agent: { command: ["node", "agent.mjs"] } },
            files: [
              ...(await listDatabasePackage()),
              { path: "agent.mjs", data: AGENT },
              { path: "check.mjs", data: CHECK },
            ],
          });
          await collect(box.streamPrompt(journal));
          let before = 20 * AT_ONCE;
          for (let index = 0; index < FORKS; index++) {
            const { checkpointId } = await box.checkpoint();
            const fork = await box.fork(checkpointId);
            const { stdout, stderr } = await fork.exec(["node", "check.mjs"]);
            expect(stderr).toBe("");
            const found = JSON.parse(stdout) as { rows: number };
            expect(found).toEqual({ integrity_check: "ok", rows: found.rows, first: 1, last: found.rows });
            // Nothing that was done is missing, and no transaction is there in part.
            expect(found.rows).toBeGreaterThanOrEqual(before);
            expect(found.rows % AT_ONCE).toBe(0);
            before = found.rows;
            await fork.delete();
            await client.deleteCheckpoint(checkpointId);
          }
          await box.delete();
        } finally {
          for (const { id } of await client.list()) await client.discard(id);
          await client.close();
          await rm(directory, { recursive: true, force: true });
        }
      },
      120_000,
    );
  },
);
