import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { createDataDirectory, DATABASE_FILE } from "../runtime/data-directory.ts";
import { openSqliteStore } from "../store/sqlite/index.ts";
import { makeFolder, skein } from "./cli-process.test.support.ts";

// Whole processes, on machines that have other things to do.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

let cwd: string;

/** A data directory with a run of the label `nightly`, one that failed, and a loop with one attempt. */
beforeEach(async () => {
  cwd = await makeFolder();
  await createDataDirectory(join(cwd, ".skein"));
  await using store = await openSqliteStore(join(cwd, ".skein", DATABASE_FILE));
  const make = async (
    id: string,
    kind: "task" | "loop",
    status: "completed" | "failed",
    about: object,
  ): Promise<void> => {
    await store.create({ id, kind, ...about });
    await using writer = await store.openWriter(id);
    const blob = await store.putBlob(Buffer.from(`bytes of ${id}`));
    await writer.append([
      { type: "run.started", kind, task: { prompt: "say \u2028 hello" } },
      { type: "artifact.created", name: "a", blob },
      { type: "final", status, reason: status, usage: {}, durationMs: 1 },
    ]);
  };
  await make("task_nightly", "task", "completed", { labels: { nightly: "yes" } });
  await make("task_failed", "task", "failed", {});
  await make("loop_one", "loop", "completed", {});
  await make("loop_one.0", "task", "completed", { parentId: "loop_one" });
});

describe("export and import", () => {
  it("L4: carries a session to another data directory and back as the same file", async () => {
    const made = await skein(cwd, ["export", "task_nig", "run.ndjson"]);
    expect(made).toMatchObject({ exitCode: 0, stderr: "" });
    expect(made.stdout).toMatch(/^task_nightly: 3 events in .*run\.ndjson\n$/);
    const imported = await skein(cwd, ["import", "run.ndjson", "--data", "other", "--json"]);
    expect(JSON.parse(imported.stdout)).toMatchObject({
      id: "task_nightly",
      status: "completed",
      lastSeq: 3,
      labels: { nightly: "yes" },
    });
    const { stdout } = await skein(cwd, ["export", "task_nightly", "--data", "other"]);
    expect(stdout).toBe(await readFile(join(cwd, "run.ndjson"), "utf8"));
  });

  it("refuses an id that is there, and a file that is there", async () => {
    await skein(cwd, ["export", "task_nightly", "run.ndjson"]);
    const again = await skein(cwd, ["import", "run.ndjson"]);
    expect(again.exitCode).not.toBe(0);
    expect(again.stderr).toMatch(/task_nightly.* exists already/);
    expect((await skein(cwd, ["import", "run.ndjson", "--as", "copy"])).stdout).toBe("copy: 3 events\n");
    const { resourceSpans } = JSON.parse((await skein(cwd, ["export", "copy", "--otlp"])).stdout) as {
      resourceSpans: [{ scopeSpans: [{ spans: { name: string }[] }] }];
    };
    expect(resourceSpans[0].scopeSpans[0].spans.map(({ name }) => name)).toContain("run");
    const over = await skein(cwd, ["export", "copy", "run.ndjson"]);
    expect(over.stderr).toMatch(/run\.ndjson exists already/);
    expect((await readdir(cwd)).sort()).toEqual([".skein", "run.ndjson"]);
  });

  it("says in which line a file is broken, and stores nothing of it", async () => {
    const { stdout } = await skein(cwd, ["export", "task_nightly"]);
    await writeFile(join(cwd, "cut.ndjson"), stdout.slice(0, stdout.length - 40));
    const cut = await skein(cwd, ["import", "cut.ndjson", "--as", "copy"]);
    expect(cut.exitCode).toBe(2);
    expect(cut.stderr).toMatch(/cannot be imported, line 6: .*Nothing was stored/);
    const missing = await skein(cwd, ["import", "no-such-file"]);
    expect(missing.stderr).toMatch(/There is no file \S*no-such-file; .*\[path_not_found\]/);
    const task = await skein(cwd, ["resume", "task_nightly"]);
    expect(task.exitCode).toBe(2);
    expect(task.stderr).toContain("skein run <task> --session task_nightly --resume");
    expect((await skein(cwd, ["ls", "--all", "--json"])).stdout).not.toContain("copy");
  });
});

describe("prune", () => {
  const prune = async (
    ...args: string[]
  ): Promise<{ sessions: { id: string }[]; kept: { id: string }[]; dryRun: boolean }> =>
    JSON.parse((await skein(cwd, ["prune", ...args, "--json"])).stdout) as never;

  it("shows what would go, and then deletes it", async () => {
    const { stdout } = await skein(cwd, ["prune", "--label", "nightly", "--dry-run"]);
    expect(stdout).toBe("task_nightly  3 events\nWould delete 1 session, 3 events.\n");
    expect((await prune("--label", "nightly=yes")).sessions).toEqual([{ id: "task_nightly", events: 3 }]);
    expect((await prune("--status", "failed")).sessions).toEqual([{ id: "task_failed", events: 3 }]);
    expect((await prune("--older-than", "30d")).sessions).toEqual([]);
    const kept = await prune("--kind", "loop");
    expect(kept).toMatchObject({ sessions: [], kept: [{ id: "loop_one", reason: "other sessions refer to it" }] });
    expect((await prune("--older-than", "0s")).sessions.map(({ id }) => id)).toEqual(["loop_one.0", "loop_one"]);
    expect((await skein(cwd, ["ls", "--all", "--json"])).stdout).toBe("[]\n");
  });

  it("does nothing without being told what", async () => {
    const nothing = await skein(cwd, ["prune"]);
    expect(nothing.exitCode).toBe(2);
    expect(nothing.stderr).toMatch(/--older-than, --status, --kind or --label/);
    const unit = await skein(cwd, ["prune", "--older-than", "30"]);
    expect(unit.exitCode).toBe(2);
    expect(unit.stderr).toMatch(/An age is a number with a unit/);
  });
});
