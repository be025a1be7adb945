import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openLocalSandbox } from "./open-local-sandbox.ts";

const profile = { name: "scripted", agent: "scripted" };

it("waits for a place under the ceiling, also after a creation that failed, and can be aborted", async () => {
  const directory = await mkdtemp(join(tmpdir(), "skein-ceiling-"));
  const client = await openLocalSandbox({ directory, containment: "none", maxBoxes: 1 });
  // A probe makes two boxes at once, whatever the ceiling is.
  expect((await client.forkStatus()).available).toBe(true);
  await expect(client.create({ profile, files: [{ path: "../out", data: "" }] })).rejects.toMatchObject({
    code: "box_path",
  });
  const first = await client.create({ profile });
  const controller = new AbortController();
  const impatient = client.create({ profile, signal: controller.signal });
  const patient = client.create({ profile });
  controller.abort();
  await expect(impatient).rejects.toMatchObject({ name: "AbortError" });
  expect((await client.list()).length).toBe(1);
  await first.delete();
  await (await patient).delete();
  expect(await client.list()).toEqual([]);
  await client.close();
  await rm(directory, { recursive: true, force: true });
});
