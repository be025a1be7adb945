import { join, resolve } from "node:path";
import { StoreError } from "../errors.ts";
import type { BoxGateway } from "../sandbox/box-gateway.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import type { SessionStore } from "../store/session-store.ts";
import { openSqliteStore } from "../store/sqlite/index.ts";
import { sweepEndedSessions } from "./sweep-ended-sessions.ts";
import { AGENTS_FOLDER, createDataDirectory, DATABASE_FILE, inspectDataDirectory } from "./data-directory.ts";
import type { RuntimeSandbox, SandboxName } from "./open-sandbox.ts";
import { listUsedSandboxes, openSandboxIn } from "./open-sandbox.ts";

export interface OpenRuntimeOptions {
  /** The data directory, such as `.skein`. */
  readonly directory: string;
  /** The URL of a Postgres database that holds the sessions instead of a file in the directory; boxes live in the directory all the same. */
  readonly database?: string;
  /** Default false. Nothing is written, recovered or swept then. */
  readonly readOnly?: boolean;
  /** Default true: the directory is made where it is missing. False: a missing one reads as empty, and stays missing. */
  readonly create?: boolean;
  /** What boxes are made of. Default `local`. */
  readonly sandbox?: SandboxName;
  /** What boxes of this runtime demand, as in `openLocalSandbox`. Default `auto`. */
  readonly containment?: "auto" | "require" | "none";
  /** The folder that agents were installed into. Default: one of the data directory. */
  readonly agents?: string;
}

/** A store and a sandbox over one data directory. */
export interface Runtime extends AsyncDisposable {
  readonly directory: string;
  /** How people are told where the sessions are: the directory, or the database without its password. */
  readonly place: string;
  readonly store: SessionStore;
  /**
   * The sandbox, opened by the first call: most commands never need one. Boxes that nobody comes back for are deleted then.
   * @param resuming a session that is about to go on in its boxes
   * @param gateway the way of its boxes to models; that of the first call
   */
  openSandbox(resuming?: string, gateway?: BoxGateway): Promise<RuntimeSandbox>;
  /** Every sandbox that has boxes on record here, of whatever kind; none where there are none. */
  openUsedSandboxes(): Promise<ReadonlyMap<SandboxName, RuntimeSandbox>>;
  /** Removes the boxes that a dead owner left and whose claim is over (B3). */
  sweepBoxes(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a data directory. For writing, that closes the runs whose process died (L7), because the store does so when it opens.
 *
 * @throws StoreError `store_foreign`, `store_newer`, `store_corrupt`, `store_failed`, and `store_read_only` where boxes are asked of a runtime for reading
 */
export async function openRuntime(options: OpenRuntimeOptions): Promise<Runtime> {
  const directory = resolve(options.directory);
  const { readOnly = false } = options;
  const { exists, place, store } = await openSessions(options, directory);
  const own = options.sandbox ?? "local";
  const opened = new Map<SandboxName, Promise<RuntimeSandbox>>();

  const open = (
    name: SandboxName,
    containment: OpenRuntimeOptions["containment"],
    gateway?: BoxGateway,
  ): Promise<RuntimeSandbox> => {
    const known = opened.get(name);
    if (known !== undefined) return known;
    const opening = openSandboxIn(directory, name, {
      agents: options.agents ?? join(directory, AGENTS_FOLDER),
      ...(containment === undefined ? {} : { containment }),
      ...(gateway === undefined ? {} : { gateway }),
    });
    opened.set(name, opening);
    opening.catch(() => opened.delete(name));
    return opening;
  };

  let sandbox: Promise<RuntimeSandbox> | undefined;
  const openSandbox = (resuming?: string, gateway?: BoxGateway): Promise<RuntimeSandbox> => {
    if (readOnly || !exists) {
      return Promise.reject(
        new StoreError(
          "store_read_only",
          `The data directory ${directory} was opened for reading only, so no box can be made in it.`,
        ),
      );
    }
    sandbox ??= open(own, options.containment, gateway).then(async (client) => {
      await sweepEndedSessions(client, store, resuming);
      return client;
    });
    return sandbox;
  };

  const openUsedSandboxes = async (): Promise<ReadonlyMap<SandboxName, RuntimeSandbox>> => {
    const used = new Map<SandboxName, RuntimeSandbox>();
    if (readOnly || !exists) return used;
    // What kind of boxes could be made here does not matter for looking at those that there are, and finding it out takes time.
    for (const name of await listUsedSandboxes(directory))
      used.set(name, await open(name, name === "local" ? "none" : undefined));
    return used;
  };

  const close = async (): Promise<void> => {
    for (const opening of opened.values()) await (await opening.catch(() => undefined))?.close();
    await store.close();
  };

  return {
    directory,
    place,
    store,
    openSandbox,
    openUsedSandboxes,
    async sweepBoxes() {
      for (const client of (await openUsedSandboxes()).values()) {
        await client.sweep();
        await sweepEndedSessions(client, store);
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

interface OpenedSessions {
  /** Whether there is a place for boxes. */
  readonly exists: boolean;
  readonly place: string;
  readonly store: SessionStore;
}

async function openSessions(options: OpenRuntimeOptions, directory: string): Promise<OpenedSessions> {
  const { readOnly = false, create = true, database } = options;
  if (database !== undefined) {
    // The driver is loaded by those who have a database.
    const { openPostgresStore, parsePostgresUrl } = await import("../store/postgres/index.ts");
    const store = await openPostgresStore(database, { readOnly });
    if (!readOnly) await createDataDirectory(directory);
    return { exists: true, place: parsePostgresUrl(database).name, store };
  }
  const state = await inspectDataDirectory(directory);
  const exists = state === "ours" || (create && !readOnly);
  if (exists && state !== "ours") await createDataDirectory(directory);
  const store = exists ? await openSqliteStore(join(directory, DATABASE_FILE), { readOnly }) : await openMemoryStore();
  return { exists, place: directory, store };
}
