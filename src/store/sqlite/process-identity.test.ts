import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { encodeIdentity, isProvablyDead, parseIdentity, readOwnIdentity } from "./process-identity.ts";
import type { ProcessIdentity } from "./process-identity.ts";

describe.skipIf(!existsSync("/proc/self/stat"))("L7: who is provably dead, where the system tells", () => {
  const own = readOwnIdentity() as ProcessIdentity;

  it("this process is not", () => {
    expect(isProvablyDead(own)).toBe(false);
    expect(parseIdentity(encodeIdentity(own))).toEqual(own);
  });

  it("a process of the same boot that is gone, or whose pid belongs to another one by now, is", () => {
    expect(isProvablyDead({ ...own, startedAt: "1" })).toBe(true);
    expect(isProvablyDead({ ...own, pid: 2 ** 22 + 1 })).toBe(true);
  });

  it("a process of another boot or another namespace may be anything", () => {
    expect(isProvablyDead({ ...own, boot: "another", startedAt: "1" })).toBe(false);
    expect(isProvablyDead({ ...own, namespace: "pid:[1]", startedAt: "1" })).toBe(false);
  });
});

it("an identity that cannot be read proves nothing", () => {
  expect(parseIdentity(null)).toBeUndefined();
  expect(parseIdentity("not JSON")).toBeUndefined();
  expect(encodeIdentity(undefined)).toBeNull();
});
