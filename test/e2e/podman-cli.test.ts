import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listContainers, whyNoPodman } from "./podman-here.test.support.ts";

const reason = whyNoPodman();
const MAIN = resolve("dist/cli/main.js");

describe.skipIf(reason !== undefined)(
  `the command line over containers${reason === undefined ? "" : ` (${reason})`}`,
  () => {
    let folder: string;
    const start = (...words: string[]): ReturnType<typeof spawn> =>
      spawn(process.execPath, [MAIN, ...words, "--data", join(folder, "data")], {
        cwd: folder,
        stdio: ["ignore", "pipe", "inherit"],
      });

    async function skein(...words: string[]): Promise<{ exitCode: number | null; stdout: string }> {
      const child = start(...words);
      let stdout = "";
      child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
      await once(child, "close");
      return { exitCode: child.exitCode, stdout };
    }

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "skein-cli-"));
      await cp("examples/packages/invoice-ledger", join(folder, "package"), { recursive: true });
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    it("K10: a loop that was killed goes on in its container, and leaves nothing", { timeout: 240_000 }, async () => {
      const child = start(
        "loop",
        "./package",
        "--sandbox",
        "podman",
        "--driver",
        "fanout",
        "--k",
        "2",
        "--fork",
        "--json",
      );
      for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
        if ((JSON.parse(line) as { type: string }).type !== "tool.started") continue;
        child.kill("SIGKILL");
        break;
      }
      if (child.signalCode === null) await once(child, "exit");
      const boxes = JSON.parse((await skein("boxes", "ls", "--sandbox", "podman", "--json")).stdout) as {
        sandbox: string;
      }[];
      expect(boxes).toMatchObject([{ sandbox: "podman", state: "running", contained: true }]);
      expect(JSON.parse((await skein("boxes", "ls", "--sandbox", "local", "--json")).stdout)).toEqual([]);
      const resumed = await skein("resume", "last", "--json");
      expect(resumed.exitCode).toBe(0);
      const types = resumed.stdout
        .trim()
        .split("\n")
        .map((line) => (JSON.parse(line) as { type: string }).type);
      expect(types).not.toContain("box.created");
      expect((await skein("boxes", "ls")).stdout).toBe("No boxes.\n");
      expect(listContainers(join(folder, "data", "containers"))).toEqual([]);
    });
  },
);
