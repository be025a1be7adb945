import { expect, it } from "vitest";
import { StatementTimeout, classifyFailure, toStoreError } from "./postgres-failure.ts";

const answered = (code: string): Error => Object.assign(new Error("said"), { code, severity: "ERROR" });
const broken = (code: string): Error => Object.assign(new Error("said"), { code });

it.each([
  ["a pipe that broke, whose code looks like the server's", broken("EPIPE")],
  ["a connection that was reset", broken("ECONNRESET")],
  ["a connection that ended without a code", new Error("Connection terminated unexpectedly")],
  ["a server that is shut down", answered("57P01")],
  ["a server that is starting", answered("57P03")],
  ["a server that is full of connections", answered("53300")],
  ["no answer in time", new StatementTimeout(5)],
])("L8: tries again after %s", (_what, error) => {
  expect(classifyFailure(error)).toBe("connection");
  expect(toStoreError(error, "postgres://host/db")).toMatchObject({ code: "store_failed", retryable: true });
});

it("L8: tries again what the server gave up for another transaction", () => {
  expect(classifyFailure(answered("40P01"))).toBe("conflict");
});

it.each([
  ["53100", "store_full"],
  ["25006", "store_read_only"],
  ["XX001", "store_corrupt"],
  ["42601", "store_failed"],
])("L8: %s is %s, and is not tried again", (code, ours) => {
  expect(classifyFailure(answered(code))).toBe("refused");
  expect(toStoreError(answered(code), "postgres://host/db")).toMatchObject({ code: ours, retryable: false });
});
