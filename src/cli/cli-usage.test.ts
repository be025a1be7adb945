import { mkdir, open, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { createDataDirectory, DATABASE_FILE } from "../runtime/data-directory.ts";
import { openRuntime } from "../runtime/open-runtime.ts";
import { openSqliteStore } from "../store/sqlite/index.ts";
import { makeFolder, skein } from "./cli-process.test.support.ts";

// Whole processes, on machines that have other things to do.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const PACKAGE = {
  "package.json": '{"type":"module","scripts":{"test":"node --test"}}',
  "index.js": "export const one = 1;\n",
};

describe("help", () => {
  it.each([
    "run",
    "loop",
    "ls",
    "show",
    "replay",
    "tail",
    "apply",
    "doctor",
    "boxes",
    "boxes ls",
    "boxes rm",
    "boxes prune",
    "image",
    "image build",
    "checkpoints",
    "checkpoints ls",
    "checkpoints rm",
    "examples",
    "tokens",
    "tokens issue",
  ])("skein %s --help has examples and ends with 0", async (command) => {
    const cwd = await makeFolder();
    const { exitCode, stdout, stderr } = await skein(cwd, [...command.split(" "), "--help"]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toMatch(new RegExp(`^Usage: skein ${command}`));
    expect(stdout).toMatch(/\nExamples:\n {2}\$ skein/);
    expect(await readdir(cwd)).toEqual([]);
  });

  it("without a command it is the help, and a wrong usage", async () => {
    const { exitCode, stderr } = await skein(await makeFolder(), []);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/^Usage: skein/);
  });

  it("says its version", async () => {
    expect((await skein(await makeFolder(), ["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+/);
  });
});

describe("wrong usage ends with 2, one sentence and its code, and writes nothing", () => {
  it.each<[string, readonly string[], RegExp]>([
    ["an unknown command", ["lop"], /unknown command 'lop' \(Did you mean loop\?\)/],
    ["an unknown option", ["ls", "--al"], /unknown option '--al' \(Did you mean --all\?\).*`skein ls --help`/],
    ["a missing argument", ["show"], /missing required argument 'session'/],
    [
      "--k 0",
      ["loop", ".", "--driver", "best-of-k", "--k", "0"],
      /number of attempts is a whole number of at least 1, not "0"/,
    ],
    ["--k with refine", ["loop", ".", "--k", "2"], /--k goes with --driver best-of-k or fanout/],
    ["a number that is none", ["loop", ".", "--max-iterations", "many"], /whole number of at least 1, not "many"/],
    ["half a number", ["loop", ".", "--concurrency", "1.5"], /concurrency is a whole number/],
    ["a budget of nothing", ["loop", ".", "--max-cost", "0"], /cost is a number above 0/],
    ["a driver that there is not", ["loop", ".", "--driver", "anneal"], /one of refine, best-of-k, fanout/],
    [
      "independent attempts that share",
      ["loop", ".", "--driver", "best-of-k", "--fork"],
      /share nothing, so --fork does not go with it/,
    ],
    ["a loop that travels with nothing", ["loop", ".", "--travel"], /go on from nothing; add --continue, or --fork/],
    ["a duration without sense", ["run", "hello", "--timeout", "soon"], /such as 90s/],
    ["a speed without sense", ["replay", "x", "--speed", "0"], /above 0/],
    ["a status that there is not", ["ls", "--status", "fine"], /one of created, running/],
    [
      "a path that does not exist",
      ["loop", "./gone"],
      /There is no folder .*gone; name one that exists\. \[path_not_found\]/,
    ],
    ["a file instead of a folder", ["loop", "./index.js"], /is a file; name the folder/],
    ["a workspace that does not exist", ["run", "mend it", "--workspace", "gone"], /\[path_not_found\]/],
    ["--resume without a session", ["run", "go on", "--resume"], /name the session with --session/],
    ["a variable that is not set", ["run", "hello", "--env", "NOT_SET_HERE"], /no such variable here/],
    ["an empty task", ["run", ""], /task is empty/],
    [
      "a prompt to loop without anything to check by",
      ["loop", "write a poem", "--workspace", "empty"],
      /no package\.json.*--check <command>\. \[no_tests\]/,
    ],
  ])("%s", async (_what, args, sentence) => {
    const cwd = await makeFolder(PACKAGE);
    await mkdir(join(cwd, "empty"));
    const { exitCode, stdout, stderr } = await skein(cwd, args);
    expect(stderr).toMatch(sentence);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(stderr).toMatch(/^skein: .* \[\w+\]\n$/);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
    expect(await readdir(cwd)).not.toContain(".skein");
  });

  it.each([
    ["no test script", "{}"],
    ["the test script of npm init", '{"scripts":{"test":"echo \\"Error: no test specified\\" && exit 1"}}'],
  ])("a package with %s", async (_what, packageJson) => {
    const cwd = await makeFolder({ "package.json": packageJson });
    const { exitCode, stderr } = await skein(cwd, ["loop", "."]);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(
      /has no test script; add one, or say how to test the package with --check <command>\. \[no_tests\]/,
    );
  });
});

describe("a data directory", () => {
  it("that holds other things is refused and stays as it is", async () => {
    const cwd = await makeFolder({ "photos/holiday.jpg": "x" });
    for (const command of [["ls"], ["loop", ".", "--check", "true"]]) {
      const { exitCode, stderr } = await skein(cwd, [...command, "--data", "photos"]);
      expect(exitCode).toBe(2);
      expect(stderr).toMatch(
        /is not a data directory of Skein; nothing was written\. Name another one\. \[store_foreign\]/,
      );
    }
    expect(await readdir(join(cwd, "photos"))).toEqual(["holiday.jpg"]);
  });

  it("whose database is not a database is refused, and the file stays", async () => {
    const cwd = await makeFolder({
      ".skein/skein.db": "this is not a database, but it is long enough to look at".repeat(40),
    });
    const { exitCode, stderr } = await skein(cwd, ["ls"]);
    expect(exitCode).not.toBe(0);
    expect(stderr).toMatch(/\[store_(foreign|corrupt)\]/);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });

  it("of a newer version is refused with what to do, and stays as it is", async () => {
    const cwd = await makeFolder();
    const path = join(cwd, ".skein", DATABASE_FILE);
    await createDataDirectory(join(cwd, ".skein"));
    await (await openSqliteStore(path)).close();
    const file = await open(path, "r+");
    // SQLite keeps the application's version at byte 60 of the header.
    await file.write(Buffer.from([0, 0, 0, 99]), 0, 4, 60);
    await file.close();
    const before = await readFile(path);
    const { exitCode, stderr } = await skein(cwd, ["ls"]);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/^skein: .*format 99.*Update Skein to open it\. \[store_newer\]\n$/);
    expect((await readFile(path)).equals(before)).toBe(true);
  });

  it("whose database is damaged is refused with what to do", async () => {
    const cwd = await makeFolder();
    const path = join(cwd, ".skein", DATABASE_FILE);
    await createDataDirectory(join(cwd, ".skein"));
    await (await openSqliteStore(path)).close();
    const file = await open(path, "r+");
    const { size } = await file.stat();
    await file.write(Buffer.alloc(size - 1024, 0x5a), 0, size - 1024, 1024);
    await file.close();
    const { exitCode, stderr } = await skein(cwd, ["ls"]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^skein: .*restore it from a backup.*\[store_corrupt\]\n$/);
  });

  it("that is a file is refused", async () => {
    const cwd = await makeFolder({ file: "" });
    const { exitCode, stderr } = await skein(cwd, ["ls"], { SKEIN_DATA: "file" });
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/is a file; name a directory\. \[store_foreign\]/);
  });

  it("that is missing reads as empty, and is not made", async () => {
    const cwd = await makeFolder();
    const listed = await skein(cwd, ["ls"]);
    expect(listed).toMatchObject({ exitCode: 0, stderr: "" });
    expect(listed.stdout).toMatch(/No sessions in .*\.skein yet\. Start one: skein loop <folder>/);
    expect((await skein(cwd, ["ls", "--json"])).stdout).toBe("[]\n");
    const shown = await skein(cwd, ["show", "last"]);
    expect(shown.exitCode).toBe(2);
    expect(shown.stderr).toMatch(/there are no sessions here yet\. \[session_unknown\]/);
    expect(await readdir(cwd)).toEqual([]);
  });

  it("shows where an error comes from only with --debug", async () => {
    const cwd = await makeFolder();
    await writeFile(join(cwd, "file"), "");
    const { stderr } = await skein(cwd, ["ls", "--data", "file", "--debug"]);
    expect(stderr).toMatch(/\n\s+at /);
  });
});

describe("doctor", { timeout: 120_000 }, () => {
  it("says what this machine can do, from what was really tried, and leaves nothing behind", async () => {
    const cwd = await makeFolder();
    const { exitCode, stdout } = await skein(cwd, ["doctor", "--try", "--json"]);
    const { works, findings } = JSON.parse(stdout) as {
      works: boolean;
      findings: { name: string; state: string; detail: string }[];
    };
    expect({ exitCode, works }).toEqual({ exitCode: 0, works: true });
    const states = new Map(findings.map(({ name, state }) => [name, state]));
    expect(states.get("node")).toBe("ok");
    expect(states.get("store")).toBe("ok");
    expect(states.get("fork")).toBe("ok");
    expect(states.get("agent repair")).toBe("ok");
    expect(findings.find(({ name }) => name === "agent repair")?.detail).toContain("answers in a box after");
    expect([...states.keys()]).toEqual(
      expect.arrayContaining([
        "containment",
        "podman",
        "criu",
        "docker",
        "agent opencode",
        "agent claude",
        "agent codex",
        "agent qwen",
      ]),
    );
    expect(await readdir(cwd)).toEqual([]);
  });
});

describe("checkpoints", () => {
  it("refuses to delete one that there is not, and deletes nothing then", async () => {
    const cwd = await makeFolder();
    const { exitCode, stderr } = await skein(cwd, ["checkpoints", "rm", "checkpoint_nothing"]);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/There is no checkpoint "checkpoint_nothing".*Nothing was deleted\. \[invalid_option\]\n$/);
  });

  it("lists none where there is no data, and makes none", async () => {
    const cwd = await makeFolder();
    expect((await skein(cwd, ["checkpoints", "ls"])).stdout).toBe("No checkpoints.\n");
    expect((await skein(cwd, ["checkpoints", "ls", "--json"])).stdout.trim()).toBe("[]");
    expect(await readdir(cwd)).toEqual([]);
  });

  it("lists those that a loop has kept, and deletes one", async () => {
    const cwd = await makeFolder();
    const made: string[] = [];
    {
      await using runtime = await openRuntime({ directory: join(cwd, ".skein"), containment: "none" });
      const client = await runtime.openSandbox();
      const box = await client.create({ profile: { name: "scripted", agent: "scripted" } });
      for (let count = 0; count < 2; count++) made.push((await box.checkpoint?.())?.checkpointId as string);
      await box.delete();
    }
    const listed = JSON.parse((await skein(cwd, ["checkpoints", "ls", "--json"])).stdout) as { id: string }[];
    expect(listed.map(({ id }) => id).sort()).toEqual(made.toSorted());
    expect((await skein(cwd, ["checkpoints", "ls"])).stdout).toContain(made[0]);
    expect((await skein(cwd, ["checkpoints", "rm", made[0] as string])).stdout).toBe("Deleted 1 checkpoint.\n");
    const left = JSON.parse((await skein(cwd, ["checkpoints", "ls", "--json"])).stdout) as { id: string }[];
    expect(left.map(({ id }) => id)).toEqual([made[1]]);
  });
});

describe("boxes", () => {
  it("says that nothing ran in a dead one any more, and removes what was left of it", async () => {
    const cwd = await makeFolder();
    await using runtime = await openRuntime({ directory: join(cwd, ".skein"), create: true });
    const client = await runtime.openSandbox();
    const { id } = await client.create({ profile: { name: "scripted", agent: "scripted" } });
    const path = join(cwd, ".skein", "boxes", "boxes", id, "box.json");
    const record = JSON.parse(await readFile(path, "utf8")) as { process: { pid: number } };
    process.kill(record.process.pid, "SIGKILL");
    await vi.waitFor(async () => expect(await client.list()).toMatchObject([{ id, state: "dead" }]));
    const { exitCode, stdout } = await skein(cwd, ["boxes", "rm", id]);
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: `Nothing ran in ${id} any more; what was left of it is removed.\n`,
    });
    expect(await client.list()).toEqual([]);
  });

  it("refuses to delete one that there is not, and deletes nothing then", async () => {
    const cwd = await makeFolder();
    const { exitCode, stderr } = await skein(cwd, ["boxes", "rm", "box_nothing"]);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/There is no box "box_nothing".*Nothing was deleted\. \[invalid_option\]\n$/);
  });
});
