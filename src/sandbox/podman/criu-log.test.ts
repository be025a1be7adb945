import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { explainCriuFailure } from "./criu-log.ts";

it("says why CRIU failed in the words of its log, without times and places in its source", async () => {
  const folder = await mkdtemp(join(tmpdir(), "skein-criu-"));
  try {
    const log = join(folder, "dump.log");
    await writeFile(
      log,
      "(00.01) Dumping\n(00.01) Error (criu/rlimit.c:10): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted\n(00.02)     18: Error (criu/sk-unix.c:849): unix: Can't dump half of stream unix connection.\n(00.03) Error (criu/cr-dump.c:2128): Dumping FAILED.\n",
    );
    const said = `Error: OCI runtime error: runc: criu failed: type NOTIFY errno 0\nlog file: ${log}`;
    expect(await explainCriuFailure(said)).toBe(
      "CRIU: unix: Can't dump half of stream unix connection.; Dumping FAILED.",
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("gives Podman's own words where there is no log", async () => {
  expect(await explainCriuFailure("Error: no such container\n")).toBe("no such container");
  expect(await explainCriuFailure("Error: log file: /not/there/dump.log")).toBe("log file: /not/there/dump.log");
});
