import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it, vi } from "vitest";
import { createDataDirectory, DATABASE_FILE } from "../runtime/data-directory.ts";
import { shareServer } from "../store/postgres/postgres-server.test.support.ts";
import { openSqliteStore } from "../store/sqlite/index.ts";
import { makeFolder, skein } from "./cli-process.test.support.ts";

// Whole processes, on machines that have other things to do.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

let url = "";
let count = 0;
beforeAll(async () => {
  url = await shareServer();
});

const newDatabase = (): string => `${url}?schema=cli_${process.pid}_${count++}`;

async function makeData(cwd: string): Promise<void> {
  await createDataDirectory(join(cwd, ".skein"));
  await using store = await openSqliteStore(join(cwd, ".skein", DATABASE_FILE));
  await store.create({ id: "run_abcdef", kind: "task", labels: { title: "say hello" } });
  await using writer = await store.openWriter("run_abcdef");
  await writer.append([
    { type: "run.started", kind: "task", task: "say hello" },
    { type: "text.delta", text: "hello" },
    { type: "final", status: "completed", reason: "completed", text: "hello", usage: {}, durationMs: 1 },
  ]);
}

it("L4: moves a data directory into a database and back, and every command reads there", async () => {
  const cwd = await makeFolder();
  const database = newDatabase();
  await makeData(cwd);
  const before = (await skein(cwd, ["export", "run_abcdef"])).stdout;
  const moved = await skein(cwd, ["move", ".skein", database]);
  expect(moved).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining("1 session with 3 events moved") as string,
  });
  expect(moved.stdout).not.toContain("skein:skein");
  expect((await skein(cwd, ["ls", "--json"])).stdout.trim()).toBe("[]");

  const env = { SKEIN_DATA: database, SKEIN_BOXES: join(cwd, "state") };
  expect((await skein(cwd, ["ls"], env)).stdout).toContain("run_abcdef");
  expect((await skein(cwd, ["show", "last", "--data", database], { SKEIN_BOXES: env.SKEIN_BOXES })).exitCode).toBe(0);
  expect((await skein(cwd, ["export", "last"], env)).stdout).toBe(before);
  expect(await readdir(cwd)).toContain("state");

  expect((await skein(cwd, ["move", database, ".skein"])).exitCode).toBe(0);
  expect((await skein(cwd, ["export", "run_abcdef"])).stdout).toBe(before);
});

it("runs an agent whose session is in a database", async () => {
  const cwd = await makeFolder({
    "pkg/package.json": '{"type":"module","scripts":{"test":"node --test"}}',
    "pkg/index.js": "export function add(a, b) {\n  return a - b;\n}\n",
    "pkg/index.test.js":
      'import { add } from "./index.js";\nimport test from "node:test";\nimport { equal } from "node:assert";\ntest("add", () => equal(add(1, 2), 3));\n',
  });
  const env = { SKEIN_DATA: newDatabase(), SKEIN_BOXES: join(cwd, "state") };
  const { exitCode, stderr } = await skein(cwd, ["loop", "pkg"], env);
  expect(exitCode, stderr).toBe(0);
  const [loop] = JSON.parse((await skein(cwd, ["ls", "--json"], env)).stdout) as { status: string }[];
  expect(loop).toMatchObject({ kind: "loop", status: "completed" });
});

it("refuses to move from where there is nothing, and makes nothing", async () => {
  const cwd = await makeFolder();
  const { exitCode, stderr } = await skein(cwd, ["move", "nowhere", "elsewhere"]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain("There are no sessions in");
  expect(await readdir(cwd)).toEqual([]);
});

it("refuses one place twice, and a database that cannot be reached without telling its password", async () => {
  const cwd = await makeFolder();
  expect(await skein(cwd, ["move", ".skein", "./.skein"])).toMatchObject({ exitCode: 2 });
  const { exitCode, stderr } = await skein(cwd, ["ls"], { SKEIN_DATA: url.replace("skein:skein@", "skein:sesame@") });
  expect(exitCode).not.toBe(0);
  expect(stderr).toContain("refused the password");
  expect(stderr).not.toContain("sesame");
});
