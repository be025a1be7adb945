import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SkeinError } from "../errors.ts";
import { probeSandboxCapabilities } from "../sandbox/capabilities.ts";
import { openLocalSandbox } from "../sandbox/local/index.ts";
import { openDockerSandbox } from "../sandbox/docker/index.ts";
import { openPodmanSandbox } from "../sandbox/podman/index.ts";
import { openSqliteStore } from "../store/sqlite/index.ts";
import { toPlainLine } from "../view/plain-text.ts";
import type { AgentFinding, AgentStartFinding, ExamineAgentsOptions } from "./examine-agents.ts";
import { examineAgents, tryAgent, withProbeSandbox } from "./examine-agents.ts";

/** What the doctor found out about one thing. */
export interface Finding {
  readonly name: string;
  /** `missing`: Skein works without it, with less. `broken`: it does not. */
  readonly state: "ok" | "missing" | "broken";
  readonly detail: string;
  /** The command that gives more, where there is one. */
  readonly remedy?: string;
}

/** Looks at everything that decides what Skein can do here. Nothing stays behind. */
export async function examineMachine(options: ExamineAgentsOptions): Promise<Finding[]> {
  const folder = await mkdtemp(join(tmpdir(), "skein-doctor-"));
  try {
    const [store, boxes, containers, docker] = await Promise.all([
      examineStore(folder),
      examineBoxes(folder),
      examineContainers(folder),
      examineDocker(folder),
    ]);
    // After the others, which would make an agent that is tried look slow.
    const agents = await findAgents(options);
    return [examineNode(), store, ...boxes, ...containers, docker, ...agents];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function messageOf(error: unknown): string {
  return toPlainLine(error instanceof Error ? error.message : String(error));
}

/** The oldest version that the package is tested on. */
const OLDEST_NODE = [20, 19] as const;

function examineNode(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const isNew = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  return isNew
    ? { name: "node", state: "ok", detail: `${process.version} on ${process.platform} ${process.arch}` }
    : {
        name: "node",
        state: "broken",
        detail: `${process.version}; Skein needs ${OLDEST_NODE.join(".")} or later`,
        remedy: "install a newer Node from nodejs.org",
      };
}

/** Writes to a database and reads it back. */
async function examineStore(folder: string): Promise<Finding> {
  try {
    await using store = await openSqliteStore(join(folder, "probe.db"));
    await store.create({ id: "probe", kind: "task" });
    const writer = await store.openWriter("probe");
    const [stored] = await writer.append([{ type: "run.started", kind: "task", task: "probe" }]);
    await writer.append([{ type: "final", status: "completed", reason: "completed", usage: {}, durationMs: 0 }]);
    await writer.close();
    for await (const event of store.read("probe", { limit: 1 })) {
      if (JSON.stringify(event) === JSON.stringify(stored))
        return { name: "store", state: "ok", detail: "SQLite wrote to the disk and read back" };
    }
    return { name: "store", state: "broken", detail: "SQLite did not give back what was written" };
  } catch (error) {
    return { name: "store", state: "broken", detail: messageOf(error), remedy: "npm rebuild libsql" };
  }
}

/** Makes a box, looks whether it is contained, and forks it. */
async function examineBoxes(folder: string): Promise<Finding[]> {
  try {
    const client = await openLocalSandbox({ directory: join(folder, "boxes") });
    const { contained, reason, systemCalls, systemCallsReason } = client.capabilities;
    const calls =
      systemCalls === "filtered"
        ? "their system calls filtered"
        : `their system calls not filtered: ${toPlainLine(systemCallsReason ?? "no reason given")}`;
    const containment: Finding = contained
      ? { name: "containment", state: "ok", detail: `boxes are contained, by bubblewrap; ${calls}` }
      : {
          name: "containment",
          state: "missing",
          detail: `boxes are NOT contained: ${reason ?? "no reason given"}`,
          remedy: "sudo apt-get install bubblewrap",
        };
    const { canFork, mode, reason: why } = await probeSandboxCapabilities(client);
    const fork: Finding = canFork
      ? { name: "fork", state: "ok", detail: `a box was forked and read back (${mode ?? "files"})` }
      : { name: "fork", state: "missing", detail: `boxes cannot be forked: ${why ?? "no reason given"}` };
    return [containment, fork];
  } catch (error) {
    return [{ name: "boxes", state: "broken", detail: messageOf(error) }];
  }
}

const CONTAINER_REMEDY = "sudo scripts/install-podman.sh (see docs/guides/podman.md)";

/** Forks a process in a container and reads its memory back, where there is a Podman and an image; it makes neither. */
async function examineContainers(folder: string): Promise<Finding[]> {
  const unused = (why: string): Finding => ({ name: "criu", state: "missing", detail: why });
  try {
    await using client = await openPodmanSandbox({ directory: join(folder, "containers") });
    const podman: Finding = { name: "podman", state: "ok", detail: "boxes can be containers (--sandbox podman)" };
    if (!(await client.hasImage())) {
      const remedy = "sudo skein image build";
      return [podman, { ...unused("not tried: the image of boxes is not made yet"), remedy }];
    }
    const { available, version, reason } = await client.criuStatus();
    const tried = `${version === undefined ? "" : `${version}  `}a process was forked in a container and its memory read back`;
    return [
      podman,
      available
        ? { name: "criu", state: "ok", detail: tried }
        : {
            ...unused(`containers cannot be forked with their memory: ${toPlainLine(reason ?? "no reason given")}`),
            remedy: CONTAINER_REMEDY,
          },
    ];
  } catch (error) {
    const detail =
      SkeinError.is(error) && error.code === "sandbox_unavailable"
        ? /here: (.*?)\. See/.exec(error.message)?.[1]
        : undefined;
    return [
      { name: "podman", state: "missing", detail: detail ?? messageOf(error), remedy: CONTAINER_REMEDY },
      unused("not tried: it needs Podman"),
    ];
  }
}

/** Asks the engine who it is, and forks a box where it has the image; it makes none. */
async function examineDocker(folder: string): Promise<Finding> {
  const name = "docker";
  try {
    await using client = await openDockerSandbox({ directory: join(folder, "docker") });
    const { engine } = client.capabilities;
    if (!(await client.hasImage()))
      return {
        name,
        state: "missing",
        detail: `${engine} answers; boxes were not tried: their image is not made yet`,
        remedy: "skein image build --sandbox docker",
      };
    const { available, reason } = await client.forkStatus();
    return available
      ? { name, state: "ok", detail: `${engine}: a box was forked with its files and read back (--sandbox docker)` }
      : { name, state: "missing", detail: `${engine}: ${toPlainLine(reason ?? "no reason given")}` };
  } catch (error) {
    const why = /here: (.*?) See docs/.exec(messageOf(error))?.[1];
    return { name, state: "missing", detail: why ?? messageOf(error), remedy: "see docs/guides/docker.md" };
  }
}

async function findAgents(options: ExamineAgentsOptions): Promise<Finding[]> {
  const { agentsFolder, onTry, signal } = options;
  try {
    return await withProbeSandbox(agentsFolder, async (client) => {
      onTry?.("repair");
      const repair = onTry === undefined ? undefined : await tryAgent(client, "repair", signal);
      const own = toAgentFinding("repair", "comes with Skein; needs no model", [], repair);
      return [own, ...(await examineAgents(client, options)).map((agent) => describeAgent(agent))];
    });
  } catch (error) {
    signal?.throwIfAborted();
    return [{ name: "agents", state: "broken", detail: messageOf(error) }];
  }
}

function describeAgent({ name, installed, program, model, start }: AgentFinding): Finding {
  const use = `(--agent ${name})`;
  const install = `skein agents install ${name}`;
  const lacks = model.set.length > 0 ? [] : [`no model: set ${model.wanted.join(" or ")}`];
  if (installed !== undefined) return toAgentFinding(name, `${installed}  ${use}`, lacks, start);
  if (program?.isSeenByBoxes === true) {
    const version = program.version === undefined ? "of an unknown version" : toPlainLine(program.version);
    return toAgentFinding(name, `${version}, ${toPlainLine(program.path)}  ${use}`, lacks, start);
  }
  const why =
    program === undefined
      ? "not installed"
      : `not installed; ${toPlainLine(program.path)} is not seen in a contained box`;
  return { name: `agent ${name}`, state: "missing", detail: `${why} ${use}`, remedy: install };
}

/** One that was tried and did not answer is broken; one without a way to a model lacks something. */
function toAgentFinding(
  name: string,
  detail: string,
  lacks: readonly string[],
  start: AgentStartFinding | undefined,
): Finding {
  const tried = start === undefined ? [] : [describeStart(start)];
  return {
    name: `agent ${name}`,
    state: start?.works === false ? "broken" : lacks.length > 0 ? "missing" : "ok",
    detail: [detail, ...tried, ...lacks].join("; "),
  };
}

/** How an agent answered, in words for people. */
export function describeStart(start: AgentStartFinding): string {
  if (!start.works) return `does not start (${start.code}): ${start.why}`;
  const said = [start.name, start.version].filter((word) => word !== undefined).join(" ");
  const named = said === "" ? "" : ` as ${toPlainLine(said)}`;
  const can = start.can.length === 0 ? "" : `, offers ${toPlainLine(start.can.join(", "))}`;
  return `answers in a box after ${(start.afterMs / 1000).toFixed(1)} s${named}${can}`;
}
