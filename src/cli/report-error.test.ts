import { CommanderError } from "commander";
import { expect, it } from "vitest";
import { AbortError, FencedError, SandboxError, StoreError, ValidationError } from "../errors.ts";
import { nextCommand, quoteWord } from "./next-commands.ts";
import { renderThrown, renderUsageError, toErrorExitCode } from "./report-error.ts";

it.each<[string, unknown, number]>([
  ["an unknown session", new ValidationError("session_unknown", ""), 2],
  ["a missing path", new ValidationError("path_not_found", ""), 2],
  ["a foreign directory", new StoreError("store_foreign", ""), 2],
  ["a newer database", new StoreError("store_newer", ""), 2],
  ["a damaged database", new StoreError("store_corrupt", ""), 1],
  ["no space left", new StoreError("store_full", ""), 1],
  ["a patch that does not fit", new ValidationError("patch_conflict", ""), 1],
  ["a busy session", new ValidationError("session_busy", ""), 1],
  ["a writer that was fenced", new FencedError(""), 1],
  ["a box that cannot be made", new SandboxError("box_create_failed", ""), 1],
  ["an abort", new AbortError(), 130],
  ["help", new CommanderError(0, "commander.help", ""), 0],
  ["a wrong option", new CommanderError(1, "commander.unknownOption", ""), 2],
  ["anything else", new TypeError("x is not a function"), 1],
])("%s ends with its exit code", (_what, error, code) => {
  expect(toErrorExitCode(error)).toBe(code);
});

it("says one sentence with the code, and the stack only with --debug", () => {
  const error = new StoreError("store_full", "The disk is full; free some space.", { cause: new Error("ENOSPC") });
  expect(renderThrown(error, false)).toEqual(["skein: The disk is full; free some space. [store_full]"]);
  expect(renderThrown(error, true).join("\n")).toMatch(/\n\s+at [\s\S]*caused by: Error: ENOSPC/);
});

it("says of a failure that nobody expected how to find out more, and lets nothing act on the terminal", () => {
  expect(renderThrown(new TypeError("x\u001B[2J"), false)).toEqual(["skein: x", expect.stringMatching(/--debug/)]);
  expect(renderThrown("thrown", false)[0]).toBe("skein: thrown");
});

it("puts commander's complaints into our form", () => {
  expect(renderUsageError("error: unknown option '--forc'\n(Did you mean --fork?)\n", "skein loop")).toBe(
    "skein: unknown option '--forc' (Did you mean --fork?) See `skein loop --help`. [invalid_option]\n",
  );
});

it("names the next command as a shell takes it, with the data directory where it was named", () => {
  expect(nextCommand(["show", "loop_1"], {})).toBe("skein show loop_1");
  expect(nextCommand(["show", "loop_1"], { data: "my data" })).toBe("skein show loop_1 --data 'my data'");
  expect(quoteWord("it's")).toBe(String.raw`'it'\''s'`);
});
