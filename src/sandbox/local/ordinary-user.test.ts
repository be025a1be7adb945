import { chmod, chown, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ProcessResult } from "../../internal/spawn-process.ts";
import { runProcess } from "../../internal/spawn-process.ts";

/** A number that no account of a fresh machine has, and no group. */
const USER = 48_123;
const PACKAGE = fileURLToPath(new URL("../../../", import.meta.url));
const isRoot = process.getuid?.() === 0;
let place: string;

/** As another user, who finds this package at `<place>/package`: where it really lies he may not be let in. */
function runAsUser(command: readonly string[]): Promise<ProcessResult> {
  const enter = 'mount --bind "$1" "$2" && cd "$3" && shift 3 && exec "$@"';
  const user = ["setpriv", `--reuid=${USER}`, `--regid=${USER}`, "--clear-groups", "--"];
  const places = [PACKAGE, join(place, "package"), join(place, "mine")];
  return runProcess(["unshare", "--mount", "sh", "-c", enter, "sh", ...places, ...user, ...command], {
    env: { PATH: process.env["PATH"] ?? "", HOME: join(place, "mine") },
    timeoutMs: 120_000,
  });
}

async function makePlace(): Promise<void> {
  place = await mkdtemp(join(tmpdir(), "skein-ordinary-"));
  await chmod(place, 0o755);
  for (const name of ["package", "mine"]) await mkdir(join(place, name));
  await chown(join(place, "mine"), USER, USER);
}

/** Not every kernel lets others than root make namespaces, and not every Node lies where they may execute it. */
async function canOthersContain(): Promise<boolean> {
  if (!isRoot) return false;
  await makePlace();
  const walls = ["bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--ro-bind", "/", "/"];
  const { exitCode } = await runAsUser([...walls, process.execPath, "-e", "process.exit(42)"]);
  await rm(place, { recursive: true, force: true });
  return exitCode === 42;
}

// Whoever is not root has all the other tests as an ordinary user.
describe.skipIf(!(await canOthersContain()))("boxes of an ordinary user", () => {
  let said: Record<string, { exitCode?: number; stdout?: string; code?: string; message?: string }>;
  let remains: string[];

  beforeAll(async () => {
    await makePlace();
    const source = `
      import { openLocalSandbox } from ${JSON.stringify(join(place, "package/dist/sandbox/local/index.js"))};
      const client = await openLocalSandbox({ directory: "boxes", containment: "require" });
      const profile = { name: "scripted", agent: "scripted" };
      const limits = { memoryMb: 400, pids: 80, diskMb: 16 };
      const said = { client: { stdout: process.getuid() + " " + client.capabilities.memoryLimit } };
      const tried = async (name, work) => {
        said[name] = await work().catch(({ code, message }) => ({ code, message }));
      };
      const shell = (box, command) => box.exec(["sh", "-c", command], { timeoutMs: 60_000 });
      const box = await client.create({ profile, limits, files: [{ path: "a.txt", data: "a" }] });
      await tried("outside", () => shell(box, "ls -d /etc/shadow /root ${place} /var; echo x > /usr/x; mount -t tmpfs none /tmp"));
      await tried("who", () => shell(box, "id -u; grep -c '^Cap.*0000000000000000' /proc/self/status"));
      await tried("network", () => box.exec(["node", "-e", "require('net').connect(80, '169.254.169.254').on('error', () => process.exit(9))"]));
      await tried("bomb", () => shell(box, "i=0; while [ $i -lt 300 ]; do sleep 60 & i=$((i+1)); done; wait"));
      await tried("fork", async () => {
        const { checkpointId } = await box.checkpoint();
        const fork = await box.fork(checkpointId);
        const result = await shell(fork, "cat a.txt; setsid sleep 1000 > /dev/null 2>&1 &");
        await fork.delete();
        await client.deleteCheckpoint(checkpointId);
        return result;
      });
      await box.delete();
      const hoarder = await client.create({ profile, limits });
      await tried("hoard", () => shell(hoarder, 'for i in 1 2 3 4; do node -e "const held = Buffer.alloc(120 * 2 ** 20, 1); setTimeout(() => held, 60000)" & done; wait'));
      await hoarder.delete();
      await client.close();
      console.log(JSON.stringify(said));`;
    const { stdout, stderr } = await runAsUser([process.execPath, "--input-type=module", "-e", source]);
    if (stdout === "") throw new Error(stderr);
    said = JSON.parse(stdout) as typeof said;
    remains = await readdir(join(place, "mine/boxes/boxes"));
  }, 150_000);
  afterAll(() => rm(place, { recursive: true, force: true }));

  it("B1: are contained", () => {
    expect(said["outside"]).toMatchObject({ stdout: "" });
    expect(said["outside"]?.exitCode).not.toBe(0);
    expect(said["who"]).toMatchObject({ stdout: "1000\n5\n" });
    expect(said["network"]).toMatchObject({ exitCode: 9 });
  });

  it("B1: are limited as a whole, by what the kernel gives and by what is measured", () => {
    expect(said["client"]?.stdout).toBe(`${USER} measured`);
    // The kernel refuses the shell a further process.
    expect(said["bomb"]).toMatchObject({ stderr: expect.stringContaining("fork") as string });
    expect(said["bomb"]?.exitCode).not.toBe(0);
    expect(said["hoard"]).toMatchObject({ code: "box_memory_full" });
  });

  it("B2: are forked, and leave nothing", () => {
    expect(said["fork"]).toMatchObject({ exitCode: 0, stdout: "a" });
    expect(remains).toEqual([]);
  });
});
