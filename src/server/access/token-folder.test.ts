import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { KeptAccessTokens, TokenFolder } from "./token-folder.ts";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "skein-tokens-"));
  path = join(folder, "tokens");
});

afterEach(() => rm(folder, { recursive: true, force: true }));

it("knows its tokens after a restart, and keeps no text of them where others can read it", async () => {
  const first = await KeptAccessTokens.open(path);
  const { token, grant } = await first.issueKept({ scope: { session: "run_1" }, name: "page" });
  expect(first.find(token)).toEqual(grant);
  await first[Symbol.asyncDispose]();
  const [file] = await readdir(path);
  expect(await readFile(join(path, file ?? ""), "utf8")).not.toContain(token);
  expect((await stat(join(path, file ?? ""))).mode & 0o077).toBe(0);
  expect((await stat(path)).mode & 0o077).toBe(0);
  await using again = await KeptAccessTokens.open(path);
  expect(again.find(token)).toEqual(grant);
  expect(again.find(`${token}x`)).toBeUndefined();
});

it("learns what another process issues and revokes, and ends the streams of what is revoked", async () => {
  await using tokens = await KeptAccessTokens.open(path);
  const own = tokens.issue({ scope: "write", token: "from-the-environment" });
  const other = new TokenFolder(path);
  const { token, stored } = await other.issue({ scope: "read" });
  expect(tokens.find(token)).toBeUndefined();
  await tokens.refresh();
  expect(tokens.find(token)).toMatchObject({ id: stored.id, scope: "read" });
  const over = tokens.revoked(stored.id);
  expect(over.aborted).toBe(false);
  expect(await other.revoke(stored.id)).toBe(true);
  await tokens.refresh();
  expect(over.aborted).toBe(true);
  expect(tokens.find(token)).toBeUndefined();
  // What is not of the folder stays.
  expect(tokens.find("from-the-environment")).toEqual(own.grant);
  expect(await other.revoke(stored.id)).toBe(false);
});

it("loses nothing that is issued or revoked while it looks", async () => {
  await using tokens = await KeptAccessTokens.open(path);
  const other = new TokenFolder(path);
  for (let turn = 0; turn < 10; turn++) {
    const [mine, theirs] = await Promise.all([
      tokens.issueKept({ scope: "read" }),
      other.issue({ scope: "read" }),
      tokens.refresh(),
    ]);
    await Promise.all([tokens.refresh(), turn % 2 === 0 ? tokens.revokeKept(mine.grant.id) : undefined]);
    await tokens.refresh();
    expect(tokens.find(mine.token) === undefined).toBe(turn % 2 === 0);
    expect(tokens.find(theirs.token)).toBeDefined();
  }
  expect(tokens.list()).toHaveLength(15);
  expect(await other.list()).toHaveLength(15);
});

it("passes over what is no token, and touches nothing outside its folder", async () => {
  const tokens = new TokenFolder(path);
  expect(await tokens.list()).toEqual([]);
  const { stored } = await tokens.issue({ scope: "read" });
  const bad = ["", "null", "[]", '{"id":"token_x"}', JSON.stringify({ ...stored, id: "token_other" }), "\0"];
  for (const [at, text] of bad.entries()) await writeFile(join(path, `token_bad${at}.json`), text);
  await writeFile(join(path, "token_root.json"), JSON.stringify({ ...stored, id: "token_root", scope: "root" }));
  await writeFile(join(folder, "outside.json"), "kept");
  expect(await tokens.list()).toEqual([stored]);
  expect(await tokens.revoke("../outside")).toBe(false);
  expect(await tokens.revoke("token_/../../outside")).toBe(false);
  expect(await readFile(join(folder, "outside.json"), "utf8")).toBe("kept");
  await expect(tokens.issue({ scope: "read", expiresInMs: -1 })).rejects.toMatchObject({ code: "invalid_option" });
});
