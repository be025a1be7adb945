import { lstatSync, readlinkSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import type { BoxRuntime } from "../boxd/index.ts";

/** The same in every box, so that what an agent wrote down about itself is true in a fork. */
export const INSIDE = { workspace: "/workspace", home: "/home/agent", run: "/run/box", agent: "/opt/agent" } as const;

/** The box's only user. The same number on every host, whoever owns the box there. */
const USER = "1000";
const NODE_HOME = "/opt/node";
const TMP_BYTES = String(1024 * 1024 * 1024);
const SHARED_BYTES = String(256 * 1024 * 1024);

export interface BubblewrapMounts {
  readonly workspace: string;
  readonly home: string;
  readonly run: string;
  /** A folder with `passwd` and `group`. */
  readonly accounts: string;
  /** The folder of the agent's package. */
  readonly agent?: string;
}

export interface BubblewrapProfile {
  readonly args: readonly string[];
  /** Node as it is named inside. */
  readonly node: string;
  readonly path: string;
}

/**
 * The walls of a box: namespaces of its own for everything, no capability, no further user namespaces, a cleared environment; of the host only
 * `/usr` and the few files that programs cannot do without, read-only; writable are the workspace, the home and `/tmp`, which goes with the box.
 *
 * There is no `--die-with-parent`: a box outlives the process that made it. It ends with the first process of its pid namespace.
 */
export function createBubblewrapProfile(
  runtime: BoxRuntime,
  mounts: BubblewrapMounts,
  network: "none" | "host",
): BubblewrapProfile {
  const node = placeNode();
  const args = [
    "--unshare-all",
    "--unshare-user",
    "--disable-userns",
    "--new-session",
    "--cap-drop",
    "ALL",
    "--clearenv",
    ...(network === "host" ? ["--share-net"] : []),
    "--uid",
    USER,
    "--gid",
    USER,
    "--hostname",
    "box",
    "--ro-bind",
    "/usr",
    "/usr",
    ...["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"].flatMap(asOnHost),
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    // Shared memory has its size; nothing else of /dev is there to be written to.
    "--perms",
    "1777",
    "--size",
    SHARED_BYTES,
    "--tmpfs",
    "/dev/shm",
    "--remount-ro",
    "/dev",
    "--perms",
    "1777",
    "--size",
    TMP_BYTES,
    "--tmpfs",
    "/tmp",
    ...[
      "/etc/alternatives",
      "/etc/ld.so.cache",
      "/etc/ld.so.conf",
      "/etc/ld.so.conf.d",
      "/etc/localtime",
      "/etc/ssl/certs",
      "/etc/ca-certificates.conf",
    ].flatMap((path) => ["--ro-bind-try", path, path]),
    "--ro-bind",
    join(mounts.accounts, "passwd"),
    "/etc/passwd",
    "--ro-bind",
    join(mounts.accounts, "group"),
    "/etc/group",
    ...(network === "none" ? ["--ro-bind", join(mounts.accounts, "hosts"), "/etc/hosts"] : []),
    ...(network === "host"
      ? ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"].flatMap((path) => ["--ro-bind-try", path, path])
      : []),
    ...node.args,
    ...runtime.folders.flatMap(({ from, to }) => ["--ro-bind", from, to]),
    ...runtime.links.flatMap(({ path, target }) => ["--symlink", target, path]),
    ...(mounts.agent === undefined ? [] : ["--ro-bind", mounts.agent, INSIDE.agent]),
    "--bind",
    mounts.workspace,
    INSIDE.workspace,
    "--bind",
    mounts.home,
    INSIDE.home,
    "--bind",
    mounts.run,
    INSIDE.run,
    "--remount-ro",
    "/",
    "--chdir",
    INSIDE.workspace,
  ];
  return {
    args,
    node: node.program,
    path: [
      ...(node.program.startsWith(NODE_HOME) ? [`${NODE_HOME}/bin`] : []),
      "/usr/local/bin",
      "/usr/bin",
      "/bin",
    ].join(":"),
  };
}

/** `/bin` and its like are links into `/usr` on most systems, and folders on some. */
function asOnHost(path: string): string[] {
  try {
    return lstatSync(path).isSymbolicLink() ? ["--symlink", readlinkSync(path), path] : ["--ro-bind", path, path];
  } catch {
    return [];
  }
}

/** Node lies anywhere on the host, often in a home folder of which nothing else may be seen: only the program and its npm are shown. */
function placeNode(): { readonly program: string; readonly args: readonly string[] } {
  const program = realpathSync(process.execPath);
  if (program.startsWith("/usr/")) return { program, args: [] };
  const npm = join(dirname(dirname(program)), "lib/node_modules/npm");
  return {
    program: `${NODE_HOME}/bin/node`,
    args: [
      "--ro-bind",
      program,
      `${NODE_HOME}/bin/node`,
      "--ro-bind-try",
      npm,
      `${NODE_HOME}/lib/node_modules/npm`,
      "--symlink",
      "../lib/node_modules/npm/bin/npm-cli.js",
      `${NODE_HOME}/bin/npm`,
      "--symlink",
      "../lib/node_modules/npm/bin/npx-cli.js",
      `${NODE_HOME}/bin/npx`,
    ],
  };
}

/** What `/etc/passwd` and `/etc/group` of a box say. */
export const ACCOUNTS = {
  passwd: `root:x:0:0:root:/root:/usr/sbin/nologin\nagent:x:${USER}:${USER}:agent:${INSIDE.home}:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n`,
  group: `root:x:0:\nagent:x:${USER}:\nnogroup:x:65534:\n`,
  hosts: "127.0.0.1 localhost box\n::1 localhost\n",
};
