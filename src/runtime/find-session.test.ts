import { beforeEach, expect, it } from "vitest";
import { openMemoryStore } from "../store/memory/index.ts";
import type { SessionStore } from "../store/session-store.ts";
import { findSession } from "./find-session.ts";

let store: SessionStore;
beforeEach(async () => {
  store = await openMemoryStore();
  await store.create({ id: "loop_abc123", kind: "loop" });
  await store.create({ id: "loop_abc123.0", kind: "task", parentId: "loop_abc123" });
  await store.create({ id: "run_abx999", kind: "task" });
});

it.each([
  ["loop_abc123", "loop_abc123"],
  ["loop_abc123.0", "loop_abc123.0"],
  ["loop_", "loop_abc123"],
  ["abc", "loop_abc123"],
  ["abx", "run_abx999"],
  ["abc123.", "loop_abc123.0"],
])("finds %s", async (wanted, id) => {
  expect((await findSession(store, wanted)).id).toBe(id);
});

it("finds the newest session that is nobody's child", async () => {
  const [newest] = await store.list({ parentId: null });
  expect((await findSession(store, "last")).id).toBe(newest?.id);
});

it.each([
  ["ab", /Several sessions begin with "ab": .*loop_abc123.*; name one of them/],
  ["loop_abc124", /did you mean loop_abc123\?/],
  ["nothing_like_it", /`skein ls --all` lists/],
  ["", /No session has the id ""/],
])("refuses %j", async (wanted, sentence) => {
  await expect(findSession(store, wanted)).rejects.toMatchObject({
    code: "session_unknown",
    message: expect.stringMatching(sentence) as string,
  });
});

it("says where there is nothing at all", async () => {
  await expect(findSession(await openMemoryStore(), "last")).rejects.toMatchObject({
    code: "session_unknown",
    message: expect.stringMatching(/no sessions here yet/) as string,
  });
});
