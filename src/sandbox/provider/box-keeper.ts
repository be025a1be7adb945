import { mkdir, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { SandboxError, SkeinError } from "../../errors.ts";
import { throwIfAborted, toAbortError } from "../../internal/abort.ts";
import { createId } from "../../internal/ids.ts";
import type { ProcessIdentity } from "../../internal/process-identity.ts";
import { ownIdentity } from "../../internal/process-identity.ts";
import type { BoxGateway } from "../box-gateway.ts";
import type { BoxdClient } from "../boxd/index.ts";
import type { Box, BoxInfo, Labels } from "../sandbox.ts";
import { BoxCeiling } from "./box-ceiling.ts";
import type { BoxRecord, BoxSpec, NewBox } from "./box-record.ts";
import { BOX_RECORD, readBoxRecord, toBoxFolder, writeRecord } from "./box-record.ts";
import { withAdvice } from "./describe-failure.ts";
import type { GatewayOption } from "./gateway-doors.ts";
import { GatewayDoors } from "./gateway-doors.ts";
import { listBoxes } from "./list-records.ts";
import { PROBE_LABEL } from "./sweep-records.ts";

/** A box as its provider holds it: boxd's client, and what only the provider can do. */
export type KeptBox = Box & Pick<BoxdClient, "health" | "hold" | "release" | "detach">;

/** What only the provider knows of its boxes. */
export interface KeptProvider<Kind extends KeptBox> {
  readonly directory: string;
  readonly contained: boolean;
  readonly maxBoxes?: number | undefined;
  /** The door of boxes that were given none of their own. */
  readonly gateway?: BoxGateway | undefined;
  /** The host's side of a box that is on record. */
  open(record: BoxRecord, gateway: GatewayOption): Kind;
  isRunning(record: BoxRecord): boolean | Promise<boolean>;
  /** Ends everything in a box, looks again, and removes what it kept, its record last. @throws SandboxError `box_delete_failed` */
  remove(id: string, record: BoxRecord | undefined): Promise<void>;
}

/** How a box comes to be. */
export interface BoxOrigin<Kind extends KeptBox> {
  /** The checkpoint that it is made from. */
  readonly from?: string;
  /** What of this package it is started with, where that is a folder of its own. */
  readonly runtime?: string;
  /**
   * Fills the box with files and starts it; resolves when boxd answers.
   * @param known takes the process whose death is the end of the box, as soon as there is one
   */
  start(record: BoxRecord, box: Kind, known: (process: ProcessIdentity) => void): Promise<void>;
}

/** Makes, holds and finds the boxes of a provider whose records lie in a directory. */
export class BoxKeeper<Kind extends KeptBox> {
  readonly #provider: KeptProvider<Kind>;
  readonly #doors: GatewayDoors;
  readonly #ceiling: BoxCeiling;
  readonly #held = new Set<Kind>();

  /** @throws ValidationError `invalid_option` for a ceiling that is none */
  constructor(provider: KeptProvider<Kind>) {
    this.#provider = provider;
    this.#doors = new GatewayDoors(provider.gateway);
    this.#ceiling = new BoxCeiling(provider.maxBoxes);
  }

  /** Makes a box of any origin: on record first, then what is of the provider; whatever fails, nothing of it stays. */
  async make(spec: BoxSpec, options: NewBox, origin: BoxOrigin<Kind>): Promise<Kind> {
    const { directory, contained } = this.#provider;
    const { signal } = options;
    throwIfAborted(signal);
    const id = createId("box");
    const door = this.#doors.choose(id, spec, options.gateway, options.parentId);
    const addressed = await this.#doors.address(spec, door, contained);
    // A probe's boxes are gone at once, and it needs two.
    if (options.labels?.[PROBE_LABEL] === undefined) await this.#ceiling.take(id, signal);
    let record: BoxRecord = {
      format: 1,
      id,
      ...(options.name === undefined ? {} : { name: options.name }),
      labels: options.labels ?? {},
      state: "creating",
      contained,
      createdAt: Date.now(),
      owner: ownIdentity(),
      spec: addressed,
      ...(origin.runtime === undefined ? {} : { runtime: origin.runtime }),
      ...(origin.from === undefined ? {} : { from: origin.from }),
    };
    const box = this.#open(record);
    try {
      await mkdir(toBoxFolder(directory, id), { recursive: true, mode: 0o700 });
      await writeRecord(this.#recordPath(id), record);
      await origin.start(record, box, (process) => {
        record = { ...record, process };
      });
      this.#hold(box);
      record = { ...record, state: "running" };
      await writeRecord(this.#recordPath(id), record);
      return box;
    } catch (error) {
      this.#letGo(box);
      this.#ceiling.free(id);
      const failures: unknown[] = [];
      await this.#provider.remove(id, record).catch((failure: unknown) => failures.push(failure));
      if (signal?.aborted) throw toAbortError(signal);
      if (SkeinError.is(error)) throw error;
      const why = withAdvice((error as Error).message);
      throw new SandboxError("box_create_failed", `The box ${id} could not be made: ${why}`, {
        cause: error,
        suppressed: failures,
      });
    }
  }

  /** The box as it is now, held by this process from now on, or null where it is gone. */
  async attach(boxId: string): Promise<Kind | null> {
    const record = await readBoxRecord(this.#provider.directory, boxId);
    if (record?.state !== "running" || !(await this.#provider.isRunning(record))) return null;
    const box = this.#open(record);
    try {
      await box.health();
      this.#hold(box);
      // The one who came back is the owner now: a sweep must not think that the box has none.
      await writeRecord(this.#recordPath(boxId), { ...record, owner: ownIdentity() });
      return box;
    } catch (error) {
      this.#letGo(box);
      if (SkeinError.is(error) && error.code === "box_gone") return null;
      throw error;
    }
  }

  list(labels?: Labels): Promise<BoxInfo[]> {
    return listBoxes(this.#provider.directory, labels, (record) => this.#provider.isRunning(record));
  }

  /** The record of a box that lives. @throws SandboxError `box_gone` */
  async recordOf(boxId: string): Promise<BoxRecord> {
    const record = await readBoxRecord(this.#provider.directory, boxId);
    if (record === undefined) throw new SandboxError("box_gone", `The box ${boxId} is gone.`);
    return record;
  }

  /** Deletes a box; one that is gone already is no error. @throws SandboxError `box_delete_failed` */
  async remove(box: Kind): Promise<void> {
    const { directory } = this.#provider;
    const isOnDisk = await stat(toBoxFolder(directory, box.id)).then(
      () => true,
      () => false,
    );
    if (isOnDisk) await this.#provider.remove(box.id, await readBoxRecord(directory, box.id));
    this.#ceiling.free(box.id);
    this.#letGo(box);
  }

  /** Removes what is left of a box, also of one that is dead; nobody who runs in it is asked. @throws SandboxError `box_delete_failed` */
  async discard(boxId: string): Promise<void> {
    const record = await readBoxRecord(this.#provider.directory, boxId);
    if (record !== undefined) await this.#provider.remove(boxId, record);
    this.#ceiling.free(boxId);
  }

  /** Lets go of the boxes that are held: they and their turns go on until their claim is over. */
  close(): void {
    for (const box of this.#held) box.detach();
    this.#held.clear();
  }

  #open(record: BoxRecord): Kind {
    const box = this.#provider.open(record, this.#doors.optionOf(record));
    this.#held.add(box);
    return box;
  }

  /** The time of the record says when the box was heard last: what a box itself says of its clients may be a lie. */
  #hold(box: Kind): void {
    box.hold(() => {
      const now = new Date();
      utimes(this.#recordPath(box.id), now, now).catch(() => {});
    });
  }

  #letGo(box: Kind): void {
    box.release();
    this.#held.delete(box);
  }

  #recordPath(id: string): string {
    return join(toBoxFolder(this.#provider.directory, id), BOX_RECORD);
  }
}
