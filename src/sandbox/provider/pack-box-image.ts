import { existsSync } from "node:fs";
import { lstat, mkdir, mkdtemp, readdir, readlink, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { SandboxError } from "../../errors.ts";
import type { ProcessResult } from "../../internal/spawn-process.ts";
import { runProcess } from "../../internal/spawn-process.ts";
import { packageVersion } from "../boxd/index.ts";
import { INSIDE } from "./container-config.ts";
import { describeFailure } from "./describe-failure.ts";

/** Where the system has its own programs; what somebody put before them on the PATH lies in his home. */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
const PACK_MS = 300_000;

/** What an agent expects of a machine; those that this one has are put in. */
const PROGRAMS: readonly string[] = [
  ..."sh bash dash env which id whoami hostname uname nproc date sleep timeout true false test [ printf echo expr seq yes tty getopt".split(
    " ",
  ),
  ..."ls cat cp mv rm ln mkdir rmdir touch chmod chown mktemp mkfifo stat du df dd install sync truncate readlink realpath basename dirname pwd".split(
    " ",
  ),
  ..."head tail wc sort uniq cut tr tee paste join comm split nl od fold fmt expand shuf tac rev xxd hexdump column".split(
    " ",
  ),
  ..."md5sum sha1sum sha256sum sha512sum b2sum cksum base64 basenc numfmt".split(" "),
  ..."grep egrep fgrep sed awk mawk gawk find xargs diff cmp diff3 sdiff patch file less more tree jq rg".split(" "),
  ..."tar gzip gunzip zcat bzip2 xz unxz zip unzip".split(" "),
  ..."ps pgrep pkill kill top free uptime pidof nice nohup setsid flock stdbuf env printenv".split(" "),
  ..."git curl wget openssl ssh make python3".split(" "),
];

/** Folders that programs read and no linker knows of. */
const FOLDERS: readonly string[] = [
  "/usr/lib/git-core",
  "/usr/libexec/git-core",
  "/usr/share/git-core",
  "/usr/lib/ssl",
  "/usr/share/ca-certificates",
  "/etc/ssl",
  "/etc/pki",
  "/etc/alternatives",
  "/usr/share/zoneinfo",
  "/usr/share/terminfo",
  "/usr/lib/terminfo",
  "/lib/terminfo",
  "/usr/lib/locale/C.utf8",
];

const ACCOUNTS = {
  passwd: `root:x:0:0:agent:${INSIDE.home}:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n`,
  group: "root:x:0:\nnogroup:x:65534:\n",
  "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
};

/** Points of the root folder where something is mounted. */
const MOUNT_POINTS = ["proc", "sys", "dev", "tmp", "run", "workspace", "home/agent", "etc/skein", "opt/skein"];

/** The image of boxes that name none: of this version of Skein and of Node. */
export function defaultImage(): string {
  return `localhost/skein-box:${packageVersion()}-node${process.versions.node}`;
}

/**
 * Packs an image of this machine's own programs: Node, a shell, the usual tools, git, and the libraries that they load. Nothing is fetched.
 *
 * @param load takes the archive of the root file system into an engine
 * @throws SandboxError `box_create_failed`
 */
export async function packBoxImage(load: (archive: string) => Promise<void>): Promise<void> {
  if (process.platform !== "linux")
    throw new SandboxError(
      "box_create_failed",
      `An image for containers cannot be made of the programs of ${process.platform}; name one that has Node, such as node:22.`,
    );
  const folder = await mkdtemp(join(tmpdir(), "skein-image-"));
  try {
    const staged = join(folder, "staged");
    await stage(staged);
    const paths = new Set<string>();
    const found = PROGRAMS.map((program) => findOfSystem(program)).filter((path) => path !== undefined);
    const programs = [...found, await realpath(process.execPath)];
    await placeNode(staged, paths);
    for (const program of programs) await addWithTargets(program, paths);
    for (const library of await findLibraries(programs)) await addWithTargets(library, paths);
    for (const path of await findFolders()) paths.add(path);
    for (const path of ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"]) await addLink(path, paths);
    const list = join(folder, "files");
    await writeFile(
      list,
      withoutNested(paths)
        .map((path) => path.slice(1))
        .join("\0"),
    );
    const archive = join(folder, "image.tar");
    const owner = ["--numeric-owner", "--owner=0", "--group=0"];
    await succeed(["tar", "--create", "--file", archive, "--sort=name", ...owner, "--directory", staged, "."]);
    await succeed(["tar", "--append", "--file", archive, ...owner, "--directory", "/", "--null", "--files-from", list]);
    await load(archive);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function findOfSystem(name: string): string | undefined {
  return SYSTEM_FOLDERS.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

function run(command: readonly string[]): Promise<ProcessResult> {
  return runProcess(command, { env: { PATH: SYSTEM_FOLDERS.join(":"), LC_ALL: "C" }, timeoutMs: PACK_MS });
}

async function stage(folder: string): Promise<void> {
  for (const point of MOUNT_POINTS) await mkdir(join(folder, point), { recursive: true });
  for (const [name, text] of Object.entries(ACCOUNTS)) await writeFile(join(folder, "etc", name), text);
  await mkdir(join(folder, "usr/local/bin"), { recursive: true });
}

/** Node lies anywhere, often in somebody's home: it is found under /usr/local/bin, with its npm where there is one beside it. */
async function placeNode(staged: string, paths: Set<string>): Promise<void> {
  const node = await realpath(process.execPath);
  const npm = join(dirname(dirname(node)), "lib/node_modules/npm");
  const links: Record<string, string> = node === "/usr/local/bin/node" ? {} : { node };
  if (await isThere(npm)) {
    paths.add(npm);
    links["npm"] = join(npm, "bin/npm-cli.js");
    links["npx"] = join(npm, "bin/npx-cli.js");
  }
  for (const [name, target] of Object.entries(links)) await symlink(target, join(staged, "usr/local/bin", name));
}

/** A path, and where it is a link what it leads to, each under the real name of its folder. */
async function addWithTargets(path: string, paths: Set<string>): Promise<void> {
  for (let current: string | undefined = path, steps = 0; current !== undefined && steps < 20; steps++) {
    const named: string = join(await realpath(dirname(current)), current.slice(current.lastIndexOf("/") + 1));
    paths.add(named);
    const target: string | undefined = await readlink(named).catch(() => undefined);
    current = target === undefined ? undefined : target.startsWith("/") ? target : join(dirname(named), target);
  }
}

async function addLink(path: string, paths: Set<string>): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats?.isSymbolicLink() === true) paths.add(path);
}

/**
 * Loaded by name by the C library, or linked with by programs that were built elsewhere and are put into boxes, such as coding agents: the parts of
 * the C library that older systems had as files of their own, and the run-time libraries of C and C++ compilers.
 */
const LIBRARIES = /^(libnss_(dns|files)|lib(m|rt|dl|util|pthread|resolv|gcc_s|stdc\+\+))\.so\.\d+$/;

/** The libraries that programs are linked with, and those of the same folders that others need. */
async function findLibraries(programs: readonly string[]): Promise<string[]> {
  const result = await run(["ldd", ...programs]);
  const linked = [...result.stdout.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map((match) => match[1] as string);
  const folders = new Set(linked.map((path) => dirname(path)));
  const named: string[] = [];
  for (const folder of folders)
    for (const name of await readdir(folder)) if (LIBRARIES.test(name)) named.push(join(folder, name));
  return [...new Set([...linked, ...named])];
}

async function findFolders(): Promise<string[]> {
  const python = (await readdir("/usr/lib")).filter((name) => /^python3(\.\d+)?$/.test(name));
  const candidates = [...FOLDERS, ...python.map((name) => `/usr/lib/${name}`)];
  const found: string[] = [];
  for (const path of candidates) if (await isThere(path)) found.push(await realpath(path));
  return found;
}

/** A path that comes with its folder is not named again: the archive would hold it as a link to itself. */
function withoutNested(paths: ReadonlySet<string>): string[] {
  const isNested = (path: string): boolean => {
    for (let folder = dirname(path); folder !== "/"; folder = dirname(folder)) if (paths.has(folder)) return true;
    return false;
  };
  return [...paths].filter((path) => !isNested(path));
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

async function succeed(command: readonly string[]): Promise<void> {
  const result = await run(command);
  if (result.exitCode !== 0)
    throw new SandboxError(
      "box_create_failed",
      `The image could not be made: ${command[0]}: ${describeFailure(result)}`,
    );
}
