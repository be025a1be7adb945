import type Docker from "dockerode";
import type { ContainerCreateOptions } from "dockerode";
import type { Duplex } from "node:stream";
import { createReadStream } from "node:fs";
import { SandboxError } from "../../errors.ts";
import { withTimeout } from "../../internal/with-timeout.ts";

const CALL_MS = 120_000;
/** For what moves whole file systems. */
const TRANSFER_MS = 600_000;
const NOT_FOUND = 404;
const CONFLICT = 409;

/** A container as it is found by its labels. */
export interface FoundContainer {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch, by the engine's clock. */
  readonly createdAt: number;
}

export interface FoundState {
  readonly running: boolean;
  readonly exitCode: number;
  /** Whether there is such a limit: an engine may leave one out that it cannot keep, and say nothing. */
  readonly limits: Readonly<Record<"memoryMb" | "pids" | "cpu", boolean>>;
}

export interface FoundImage {
  readonly id: string;
  readonly tags: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

export interface ImageFacts {
  readonly id: string;
  readonly layers: number;
  readonly volumes: readonly string[];
}

/**
 * A Docker engine, wherever it is: nothing of it is reached but by its API. What it says about a failure is in the message of the error;
 * one that does not answer at all is `sandbox_away`.
 */
export class DockerEngine {
  readonly #docker: Docker;
  /** The engine as it is named in messages. */
  readonly name: string;

  constructor(docker: Docker, name: string) {
    this.#docker = docker;
    this.name = name;
  }

  async version(): Promise<{ readonly name: string; readonly version: string; readonly architecture: string }> {
    const { Version, Arch, Components } = await this.#call("asked for its version", this.#docker.version());
    return { name: Components?.[0]?.Name ?? "Docker Engine", version: Version, architecture: Arch };
  }

  async createContainer(name: string, options: ContainerCreateOptions): Promise<void> {
    await this.#call(`asked to create ${name}`, this.#docker.createContainer({ name, ...options }));
  }

  async startContainer(name: string): Promise<void> {
    await this.#call(`asked to start ${name}`, this.#docker.getContainer(name).start());
  }

  /** Undefined: there is none of this name. */
  async inspectContainer(name: string): Promise<FoundState | undefined> {
    const found = await this.#find(`asked for ${name}`, this.#docker.getContainer(name).inspect());
    if (found === undefined) return undefined;
    const { Memory, PidsLimit, NanoCpus, CpuQuota } = found.HostConfig;
    return {
      running: found.State.Running,
      exitCode: found.State.ExitCode,
      limits: { memoryMb: isSet(Memory), pids: isSet(PidsLimit), cpu: isSet(NanoCpus) || isSet(CpuQuota) },
    };
  }

  /** Ends a container and removes it with the volumes that are its own. One that is gone already, or is on its way, is no error. */
  async removeContainer(name: string): Promise<void> {
    const removal = this.#docker.getContainer(name).remove({ force: true, v: true });
    await this.#find(`asked to remove ${name}`, removal, [NOT_FOUND, CONFLICT]);
  }

  async stopContainer(name: string): Promise<void> {
    await this.#find(`asked to stop ${name}`, this.#docker.getContainer(name).stop({ t: 0 }), [304, NOT_FOUND]);
  }

  async listContainers(label: string): Promise<FoundContainer[]> {
    const listed = await this.#call(
      "asked for its containers",
      this.#docker.listContainers({ all: true, filters: { label: [label] } }),
    );
    return listed.map(({ Id, Labels, Created }) => ({ id: Id, labels: Labels, createdAt: Created * 1000 }));
  }

  /** Unpacks an archive of this machine in a container. */
  async putArchive(name: string, archive: string, path: string): Promise<void> {
    const sent = this.#docker.getContainer(name).putArchive(createReadStream(archive), { path });
    await this.#call(`sent files for ${name}`, sent, TRANSFER_MS);
  }

  /** Makes an image of a container's file system as it is. */
  async commit(name: string, image: string, labels: Readonly<Record<string, string>>): Promise<void> {
    const colon = image.lastIndexOf(":");
    await this.#call(
      `asked to commit ${name}`,
      this.#docker.getContainer(name).commit({
        repo: image.slice(0, colon),
        tag: image.slice(colon + 1),
        // Whoever wants it at rest brings it to rest: an engine without the right control groups cannot.
        pause: false,
        ...toChanges(labels),
      }),
      TRANSFER_MS,
    );
  }

  /** Makes an image of one layer of a container's file system. */
  async flatten(name: string, image: string, labels: Readonly<Record<string, string>>): Promise<void> {
    const exported = await this.#call(`asked to export ${name}`, this.#docker.getContainer(name).export(), TRANSFER_MS);
    await this.#import(exported, image, labels);
  }

  /** Makes an image of a root file system that is an archive of this machine. */
  async importImage(archive: string, image: string): Promise<void> {
    await this.#import(createReadStream(archive), image, {});
  }

  /** Undefined: the engine has none of this name. */
  async inspectImage(image: string): Promise<ImageFacts | undefined> {
    const found = await this.#find(`asked for the image ${image}`, this.#docker.getImage(image).inspect());
    if (found === undefined) return undefined;
    return {
      id: found.Id,
      layers: found.RootFS?.Layers?.length ?? 0,
      volumes: Object.keys(found.Config?.Volumes ?? {}),
    };
  }

  async listImages(label: string): Promise<FoundImage[]> {
    const listed = await this.#call(
      "asked for its images",
      this.#docker.listImages({ filters: JSON.stringify({ label: [label] }) }),
    );
    return listed.map(({ Id, RepoTags, Labels }) => ({
      id: Id,
      tags: (RepoTags ?? []).filter((tag) => tag !== "<none>:<none>"),
      labels: Labels ?? {},
    }));
  }

  /**
   * Removes an image. Never by force: that would take the boxes along that were made of it.
   * @returns false where it is still in use
   */
  async removeImage(image: string): Promise<boolean> {
    let isInUse = false;
    const removal = this.#docker
      .getImage(image)
      .remove()
      .catch((error: unknown) => {
        isInUse = statusOf(error) === CONFLICT;
        if (!isInUse) throw error;
      });
    await this.#find(`asked to remove the image ${image}`, removal);
    return !isInUse;
  }

  /** Starts a program in a container; what it reads and writes is one stream, in the engine's frames. */
  async exec(name: string, command: readonly string[]): Promise<Duplex> {
    const exec = await this.#call(
      `asked to run a program in ${name}`,
      this.#docker.getContainer(name).exec({
        Cmd: [...command],
        User: "0:0",
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
        Tty: false,
      }),
    );
    return this.#call(`asked to run a program in ${name}`, exec.start({ hijack: true, stdin: true }));
  }

  async #import(
    archive: NodeJS.ReadableStream,
    image: string,
    labels: Readonly<Record<string, string>>,
  ): Promise<void> {
    const progress = await this.#call(
      `sent the image ${image}`,
      // The name with its tag: an engine may look at no other parameter here.
      this.#docker.importImage(archive, { repo: image, ...toChanges(labels) }),
      TRANSFER_MS,
    );
    // The answer ends when the image is there; a failure in the middle is a line of it.
    let said = "";
    for await (const chunk of progress) said = (said + String(chunk)).slice(-2000);
    const failure = /"error"\s*:\s*"([^"]*)"/.exec(said)?.[1];
    if (failure !== undefined) throw this.#failed(`sent the image ${image}`, failure);
  }

  /** Undefined for what is not there, or is answered with another of the statuses that mean so. */
  async #find<T>(what: string, answer: Promise<T>, statuses: readonly number[] = [NOT_FOUND]): Promise<T | undefined> {
    try {
      return await this.#call(what, answer);
    } catch (error) {
      const cause = (error as { cause?: unknown }).cause;
      if (statuses.includes(statusOf(cause) ?? 0)) return undefined;
      throw error;
    }
  }

  async #call<T>(what: string, answer: Promise<T>, timeoutMs: number = CALL_MS): Promise<T> {
    let timed: Awaited<ReturnType<typeof withTimeout<T>>>;
    try {
      timed = await withTimeout(answer, timeoutMs);
    } catch (cause) {
      if (statusOf(cause) === undefined) throw this.#away((cause as Error).message, cause);
      throw this.#failed(what, messageOf(cause), cause);
    }
    if (timed.done) return timed.value;
    throw this.#away(`it was ${what} and said nothing for ${timeoutMs / 1000} seconds`);
  }

  #failed(what: string, why: string, cause?: unknown): SandboxError {
    return new SandboxError("box_create_failed", `The engine at ${this.name} was ${what}: ${why}`, { cause });
  }

  #away(why: string, cause?: unknown): SandboxError {
    return new SandboxError(
      "sandbox_away",
      `The engine at ${this.name} does not answer: ${why}. Start it, or point DOCKER_HOST at one that runs.`,
      { cause },
    );
  }
}

/** Of an answer that is a failure; undefined where there was no answer. */
function statusOf(error: unknown): number | undefined {
  const { statusCode } = (error ?? {}) as { statusCode?: unknown };
  return typeof statusCode === "number" ? statusCode : undefined;
}

/** One instruction for each; the types know one alone. */
function toChanges(labels: Readonly<Record<string, string>>): { readonly changes?: string } {
  const changes = Object.entries(labels).map(([key, value]) => `LABEL ${key}=${JSON.stringify(value)}`);
  return changes.length === 0 ? {} : { changes: changes as unknown as string };
}

/** The engine's own words. */
function messageOf(error: unknown): string {
  const { json, message } = error as { json?: { message?: unknown }; message?: unknown };
  const said = typeof json?.message === "string" ? json.message : String(message);
  return said.trim().slice(-400);
}

function isSet(limit: number | null | undefined): boolean {
  return (limit ?? 0) > 0;
}
