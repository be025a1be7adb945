import { readFile, rename, writeFile } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import { createId } from "../../internal/ids.ts";
import type { BoxSpec } from "../provider/index.ts";
import { PROBE_LABEL } from "../provider/index.ts";
import type { CriuStatus, ForkStatus, Labels } from "../sandbox.ts";
import type { ContainerPaths } from "./container-paths.ts";
import type { PodmanBox } from "./podman-box.ts";
import type { PodmanCommand } from "./podman-command.ts";

/** What the probe needs of the client that it asks for. */
export interface ForkProbeClient {
  image(): Promise<string>;
  createFresh(
    spec: BoxSpec,
    options: { readonly labels: Labels },
    fill: (paths: ContainerPaths) => Promise<void>,
  ): Promise<PodmanBox>;
  deleteCheckpoint(checkpointId: string): Promise<void>;
}

export interface ForkProbe {
  criuStatus(): Promise<CriuStatus>;
  forkStatus(): Promise<ForkStatus>;
}

interface Outcome {
  readonly criu: CriuStatus;
  readonly fork: ForkStatus;
}

interface StoredOutcome extends Outcome {
  /** What the answer holds for. */
  readonly machine: string;
  readonly askedAt: number;
}

const FILE = "fork-probe.json";
const GOOD_MS = 24 * 60 * 60 * 1000;
/** Whoever installs what was missing does not want to wait for long. */
const BAD_MS = 60_000;

const INSTALL = "scripts/install-podman.sh installs a CRIU that works on this kernel.";
const SHARED =
  "Ids, names and sockets are new in a fork, and so is randomness in processes that it starts and in Node processes (through a preload); generators of other running programs, and keys that Node's OpenSSL makes in a process that was running, are shared with the parent.";

/** Keeps a word in its memory alone, and writes it to a file when it is asked. */
const MARKER_PROGRAM = `
const fs = require("node:fs");
const word = fs.readFileSync("word", "utf8");
fs.unlinkSync("word");
fs.writeFileSync("ready", "");
setInterval(() => {
  if (!fs.existsSync("ask")) return;
  fs.writeFileSync("answer.new", word + " " + process.pid);
  fs.renameSync("answer.new", "answer");
  process.exit();
}, 5);
`;
const waitFor = (file: string): string => `until [ -e ${file} ]; do sleep 0.02; done`;

export function openForkProbe(options: {
  readonly client: ForkProbeClient;
  readonly directory: string;
  readonly podman: PodmanCommand;
}): ForkProbe {
  let asked: Promise<Outcome> | undefined;
  const ask = (): Promise<Outcome> =>
    (asked ??= findOutcome(options).catch((error: unknown) => {
      asked = undefined;
      throw error;
    }));
  return { criuStatus: async () => (await ask()).criu, forkStatus: async () => (await ask()).fork };
}

/** The answer that is on the disk, where it is of this machine and not too old, else a new one. */
async function findOutcome({ client, directory, podman }: Parameters<typeof openForkProbe>[0]): Promise<Outcome> {
  const image = await client.image();
  const version = await readCriuVersion(podman);
  const machine = JSON.stringify([
    await podman.run(["--version"]),
    version ?? null,
    release(),
    await podman.run(["image", "inspect", "--format={{.Id}}", image]),
  ]);
  const path = join(directory, FILE);
  const stored = await readFile(path, "utf8")
    .then((text) => JSON.parse(text) as StoredOutcome)
    .catch(() => undefined);
  if (stored?.machine === machine) {
    const age = Date.now() - stored.askedAt;
    if (age >= 0 && age < (stored.criu.available ? GOOD_MS : BAD_MS)) return stored;
  }
  const outcome = await probe(client, image, version);
  await writeFile(`${path}.new`, JSON.stringify({ ...outcome, machine, askedAt: Date.now() } satisfies StoredOutcome));
  await rename(`${path}.new`, path);
  return outcome;
}

async function readCriuVersion(podman: PodmanCommand): Promise<string | undefined> {
  const result = await podman.host(["criu", "--version"]);
  return result.exitCode === 0 ? /Version: (\S+)/.exec(result.stdout)?.[1] : undefined;
}

/** Says what a fork is here, from a process whose memory was read back in the fork, and from files that were. */
async function probe(client: ForkProbeClient, image: string, version: string | undefined): Promise<Outcome> {
  const boxes: PodmanBox[] = [];
  const checkpoints: string[] = [];
  const labels = { [PROBE_LABEL]: "fork" };
  const spec: BoxSpec = {
    profile: { name: "fork probe" },
    image,
    env: {},
    network: "none",
    limits: {},
    claimMs: 60_000,
    agentStart: "lazy",
  };
  const fork = async (parent: PodmanBox, mode: "memory" | "files"): Promise<PodmanBox> => {
    const { checkpointId } = await parent.checkpoint({ mode });
    checkpoints.push(checkpointId);
    const child = await parent.fork(checkpointId, { labels });
    boxes.push(child);
    return child;
  };
  try {
    const word = createId("marker");
    const parent = await client.createFresh(spec, { labels }, async (paths) => {
      await writeFile(join(paths.workspace, "word"), word);
      await writeFile(join(paths.workspace, "marker.cjs"), MARKER_PROGRAM);
    });
    boxes.push(parent);
    const started = await parent.exec(
      ["sh", "-c", `setsid node marker.cjs </dev/null >/dev/null 2>&1 & ${waitFor("ready")}`],
      {
        timeoutMs: 20_000,
      },
    );
    if (started.exitCode !== 0) throw new Error(`the marker process did not start: ${started.stderr.slice(-200)}`);
    const memory =
      version === undefined ? `there is no CRIU on the PATH. ${INSTALL}` : await proveMemory(parent, word, fork);
    if (memory === undefined) {
      return {
        criu: { available: true, ...(version === undefined ? {} : { version }) },
        fork: { available: true, modes: ["memory", "files"], reason: SHARED },
      };
    }
    const criu: CriuStatus = { available: false, ...(version === undefined ? {} : { version }), reason: memory };
    const files = await proveFiles(parent, fork);
    return files === undefined
      ? { criu, fork: { available: true, modes: ["files"], reason: `Files only: ${memory}` } }
      : { criu, fork: { available: false, reason: `${memory} ${files}` } };
  } catch (error) {
    const reason = `A fork was tried and failed: ${(error as Error).message}`;
    return {
      criu: { available: false, ...(version === undefined ? {} : { version }), reason },
      fork: { available: false, reason },
    };
  } finally {
    await Promise.allSettled([
      ...boxes.map((box) => box.delete()),
      ...checkpoints.map((id) => client.deleteCheckpoint(id)),
    ]);
  }
}

type Fork = (parent: PodmanBox, mode: "memory" | "files") => Promise<PodmanBox>;

/** Undefined where the fork's process has the parent's memory, and each its own files. */
async function proveMemory(parent: PodmanBox, word: string, fork: Fork): Promise<string | undefined> {
  try {
    const child = await fork(parent, "memory");
    await child.exec(["sh", "-c", `touch ask; ${waitFor("answer")}`], { timeoutMs: 20_000 });
    const answer = Buffer.from(await child.readFile("answer")).toString();
    const inParent = await parent.exec(["sh", "-c", "ls ask answer"]);
    if (answer.split(" ")[0] !== word || inParent.stdout !== "")
      return "A fork was made, but its process did not have the parent's memory, or its files were the parent's.";
    return undefined;
  } catch (error) {
    return `A process was to be forked and could not: ${(error as Error).message} ${INSTALL}`;
  }
}

async function proveFiles(parent: PodmanBox, fork: Fork): Promise<string | undefined> {
  try {
    const word = createId("marker");
    await parent.writeFile("file", word);
    const child = await fork(parent, "files");
    const copy = Buffer.from(await child.readFile("file")).toString();
    return copy === word ? undefined : "A fork was made, but it did not have its parent's files.";
  } catch (error) {
    return `Files were to be forked and could not: ${(error as Error).message}`;
  }
}
