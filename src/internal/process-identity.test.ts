import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { isAlive, isElsewhere, isProvablyDead, ownIdentity } from "./process-identity.ts";

// Only Linux says in /proc when a process began.
describe.skipIf(!existsSync("/proc/self/stat"))("L7: who is provably dead, where the system tells", () => {
  const own = ownIdentity();

  it("this process is not", () => {
    expect(isProvablyDead(own)).toBe(false);
    expect(isAlive(own)).toBe(true);
    expect(isElsewhere(own)).toBe(false);
  });

  it("a process of the same boot that is gone, or whose pid belongs to another one by now, is", () => {
    for (const dead of [
      { ...own, startedAt: "1" },
      { ...own, pid: 2 ** 22 + 1 },
    ]) {
      expect(isProvablyDead(dead)).toBe(true);
      expect(isAlive(dead)).toBe(false);
      expect(isElsewhere(dead)).toBe(false);
    }
  });

  it("a process of another boot or another namespace may be anything", () => {
    expect(isProvablyDead({ ...own, boot: "another", startedAt: "1" })).toBe(false);
    expect(isProvablyDead({ ...own, namespace: "pid:[1]", startedAt: "1" })).toBe(false);
    expect(isProvablyDead({ pid: own.pid })).toBe(false);
  });

  it("a process of another container is neither seen nor given up, one of another boot is not there", () => {
    expect(isElsewhere({ ...own, namespace: "pid:[1]" })).toBe(true);
    expect(isAlive({ ...own, namespace: "pid:[1]" })).toBe(false);
    expect(isElsewhere({ ...own, boot: "another" })).toBe(false);
  });
});
