import { expect, it } from "vitest";
import { describeReason } from "./describe-reason.ts";

it("says in words why a run ended, and nothing where the status has said it", () => {
  expect(describeReason("owner_dead", "interrupted")).toBe("its process died");
  expect(describeReason("agent_exited", "failed")).toBe("agent exited");
  expect(describeReason("constructor", "completed")).toBe("constructor");
  expect(describeReason("a\u202Eb", "completed")).toBe("ab");
  expect(describeReason("aborted", "aborted")).toBe("");
  expect(describeReason("completed", "completed")).toBe("");
});
