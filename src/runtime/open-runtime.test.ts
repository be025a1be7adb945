import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openRuntime } from "./open-runtime.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "skein-runtime-"));
});
afterEach(() => rm(root, { recursive: true }));

it("makes its directory, keeps what is stored, and opens no sandbox that nobody asks for", async () => {
  const directory = join(root, ".skein");
  {
    await using runtime = await openRuntime({ directory });
    await runtime.store.create({ id: "run_1", kind: "task" });
    expect((await runtime.openUsedSandboxes()).size).toBe(0);
  }
  expect((await readdir(directory)).sort()).toEqual(expect.arrayContaining([".gitignore", "skein.db"]));
  expect(await readdir(directory)).not.toContain("boxes");
  await using again = await openRuntime({ directory, readOnly: true });
  expect((await again.store.list()).map(({ id }) => id)).toEqual(["run_1"]);
  await expect(again.store.create({ id: "run_2", kind: "task" })).rejects.toMatchObject({ code: "store_read_only" });
  await expect(again.openSandbox()).rejects.toMatchObject({ code: "store_read_only" });
});

it("reads a missing directory as empty where it must not make one", async () => {
  const directory = join(root, ".skein");
  await using runtime = await openRuntime({ directory, create: false });
  expect(await runtime.store.list()).toEqual([]);
  await runtime.sweepBoxes();
  expect(await readdir(root)).toEqual([]);
});

it("makes boxes below its directory and lets go of them when it is closed", async () => {
  await using runtime = await openRuntime({ directory: join(root, ".skein"), containment: "none" });
  const client = await runtime.openSandbox();
  expect(await runtime.openSandbox()).toBe(client);
  expect(client.capabilities.contained).toBe(false);
  expect((await runtime.openUsedSandboxes()).size).toBe(0);
  const box = await client.create({ profile: { name: "scripted", agent: "scripted" } });
  expect([...(await runtime.openUsedSandboxes())]).toEqual([["local", client]]);
  await box.delete();
});
