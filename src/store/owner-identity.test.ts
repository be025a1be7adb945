import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import { ownIdentity } from "../internal/process-identity.ts";
import { encodeOwner, parseOwner } from "./owner-identity.ts";

// Only Linux says in /proc when a process began.
it.skipIf(!existsSync("/proc/self/stat"))("a lease names its holder, and is read back as it was written", () => {
  expect(parseOwner(encodeOwner())).toEqual(ownIdentity());
});

it("an identity that cannot be read proves nothing", () => {
  expect(parseOwner(null)).toBeUndefined();
  expect(parseOwner("not JSON")).toBeUndefined();
  expect(encodeOwner({ pid: 7 })).toBeNull();
});
