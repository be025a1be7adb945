/**
 * What must be visible inside a box for boxd and the agents of this package to run: this package's build, and the closure of the npm packages
 * that they need. Each package gets a slot of its own under `/opt/skein`, with links to its dependencies beside it, so any layout
 * on the host (hoisted, nested, linked by pnpm) becomes the same layout inside, and nothing else of a user's `node_modules` is seen.
 */
import { readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { SandboxError } from "../../errors.ts";

export const RUNTIME_ROOT = "/opt/skein";

/** What boxd and the repair agent import; a test starts both in a contained box. */
const NEEDED: readonly string[] = ["@agentclientprotocol/sdk", "zod", "execa", "diff", "acorn", "acorn-walk"];

/** The root of this package: dist/sandbox/boxd/boxd-runtime.js is three folders below it. */
const PACKAGE_ROOT = fileURLToPath(new URL("../../../", import.meta.url));

export interface BoxRuntime {
  /** To be bound or copied, read-only. */
  readonly folders: readonly { readonly from: string; readonly to: string }[];
  /** To be made as symbolic links inside. */
  readonly links: readonly { readonly path: string; readonly target: string }[];
  /** The version of this package. */
  readonly version: string;
  /** boxd's entry as it is named inside. */
  readonly boxdMain: string;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

interface Slot {
  readonly folder: string;
  readonly name: string;
  /** Where the package lies inside. */
  readonly inside: string;
}

/** boxd's entry on this host, for boxes that see the host's files. */
export function hostBoxdMain(): string {
  return fileURLToPath(new URL("./boxd-main.js", import.meta.url));
}

/** This package's version. */
export function packageVersion(): string {
  return readManifest(PACKAGE_ROOT).version;
}

/** Everything that a box needs of the host to run boxd. Read from the disk once. */
export function findBoxRuntime(): BoxRuntime {
  return (found ??= readBoxRuntime(PACKAGE_ROOT, NEEDED));
}

let found: BoxRuntime | undefined;

/** The same for a package anywhere, and what it needs of its dependencies. */
export function readBoxRuntime(packageRoot: string, needed: readonly string[]): BoxRuntime {
  const own = readManifest(packageRoot);
  const ownSlot = toSlot(packageRoot, own);
  const slots = new Map<string, Slot>();
  const links: { path: string; target: string }[] = [];
  const add = (name: string, from: string, holder: Slot, isOptional: boolean): void => {
    const folder = findPackage(name, from);
    if (folder === undefined) {
      if (isOptional) return;
      throw new SandboxError(
        "box_create_failed",
        `The package ${name}, which ${holder.name} needs, is not installed; install skein again.`,
      );
    }
    const earlier = slots.get(folder);
    const manifest = earlier === undefined ? readManifest(folder) : undefined;
    const slot = earlier ?? toSlot(folder, manifest as Manifest);
    links.push({ path: join(slotModules(holder), name), target: slot.inside });
    if (manifest === undefined) return;
    slots.set(folder, slot);
    for (const next of Object.keys(manifest.dependencies ?? {})) add(next, folder, slot, false);
    for (const next of Object.keys(manifest.optionalDependencies ?? {})) add(next, folder, slot, true);
    for (const next of Object.keys(manifest.peerDependencies ?? {})) {
      // An optional peer is there for those who use it, and none of ours does.
      if (manifest.peerDependenciesMeta?.[next]?.optional !== true) add(next, folder, slot, true);
    }
  };
  for (const name of needed) add(name, packageRoot, ownSlot, false);
  return {
    folders: [
      { from: join(packageRoot, "dist"), to: join(ownSlot.inside, "dist") },
      { from: join(packageRoot, "package.json"), to: join(ownSlot.inside, "package.json") },
      ...[...slots.values()].map((slot) => ({ from: slot.folder, to: slot.inside })),
    ],
    links: links.filter(
      (link, index) => link.path !== link.target && links.findIndex((other) => other.path === link.path) === index,
    ),
    version: own.version,
    boxdMain: join(ownSlot.inside, "dist/sandbox/boxd/boxd-main.js"),
  };
}

function toSlot(folder: string, { name, version }: Manifest): Slot {
  return { folder, name, inside: join(RUNTIME_ROOT, `${name.replace("/", "+")}@${version}`, "node_modules", name) };
}

/** The `node_modules` that a slot's package is in, where its dependencies are looked for. */
function slotModules(slot: Slot): string {
  return slot.inside.slice(0, -slot.name.length - 1);
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}

/** Looks for a package the way Node does: in each `node_modules` upwards. `require.resolve` will not do, for `exports` may hide package.json. */
function findPackage(name: string, from: string): string | undefined {
  for (let folder = realpathSync(from); ; folder = dirname(folder)) {
    try {
      const candidate = realpathSync(join(folder, "node_modules", name));
      readManifest(candidate);
      return candidate;
    } catch {
      if (dirname(folder) === folder) return undefined;
    }
  }
}
