import { mkdir, open, readdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";

/** `none`: the tests noticed nothing; `moved`: a failing test fails in another way; `broke`: a passing test fails. */
export type TryEffect = "none" | "moved" | "broke";

/** One edit that was tested, and what came of it. */
export interface TryRecord {
  readonly number: number;
  readonly file: string;
  readonly line: number;
  readonly title: string;
  /** {@link Edit.key}: the same edit of the same line. */
  readonly key: string;
  /** Names the whole program with the edit in it: no program is ever tested twice. */
  readonly state: string;
  readonly outcome: "kept" | "no-better" | "timed-out" | "interrupted";
  /** What an edit that did not help did instead: it is how the search learns where the bug is. */
  readonly effect?: TryEffect;
  readonly passed?: number;
  readonly failed?: number;
  /** The number of the kept try in whose place this one was kept: it makes more tests pass. */
  readonly replaces?: number;
}

/** A try that has begun: what must be put back if its end is never written. */
export interface PendingTry extends Omit<TryRecord, "outcome" | "effect" | "passed" | "failed"> {
  readonly original: string;
}

/** Everything that one session knows. Paths in it are relative to the package, for a copy of it lives elsewhere. */
export interface RepairMemory {
  readonly version: 1;
  readonly sessionId: string;
  readonly createdAt: number;
  updatedAt: number;
  turns: number;
  readonly messages: { readonly role: "user" | "agent"; readonly text: string }[];
  readonly tries: TryRecord[];
  /** The result of the tests before the first edit. */
  startedWith?: { readonly passed: number; readonly failed: number };
  pending?: PendingTry;
}

/** The edits that the program now differs by from what it was in the beginning. */
export function listKept(memory: RepairMemory): TryRecord[] {
  const kept = memory.tries.filter((one) => one.outcome === "kept");
  const replaced = new Set(kept.map((one) => one.replaces));
  return kept.filter((one) => !replaced.has(one.number));
}

/** Session ids are file names; anything that could lead elsewhere is unknown. */
const SESSION_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;

/** The sessions of one home directory, a file each. */
export class MemoryFolder {
  readonly #folder: string;

  constructor(home: string) {
    this.#folder = join(home, ".skein-repair");
  }

  create(sessionId: string): RepairMemory {
    const now = Date.now();
    return { version: 1, sessionId, createdAt: now, updatedAt: now, turns: 0, messages: [], tries: [] };
  }

  /** Undefined where there is no such session, or its file is not ours. */
  async load(sessionId: string): Promise<RepairMemory | undefined> {
    if (!SESSION_ID.test(sessionId)) return undefined;
    try {
      const memory = JSON.parse(await readFile(join(this.#folder, `${sessionId}.json`), "utf8")) as RepairMemory;
      return memory.version === 1 && memory.sessionId === sessionId ? memory : undefined;
    } catch {
      return undefined;
    }
  }

  async list(): Promise<RepairMemory[]> {
    const names = await readdir(this.#folder).catch(() => []);
    const memories = await Promise.all(
      names.filter((name) => name.endsWith(".json")).map((name) => this.load(name.slice(0, -5))),
    );
    return memories.filter((memory) => memory !== undefined).toSorted((one, other) => other.updatedAt - one.updatedAt);
  }

  /** Written beside its place and moved there: a kill leaves the old memory or the new one, never a half. */
  async save(memory: RepairMemory): Promise<void> {
    memory.updatedAt = Date.now();
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const path = join(this.#folder, `${memory.sessionId}.json`);
    const file = await open(`${path}.${process.pid}.new`, "w", 0o600);
    try {
      await file.writeFile(JSON.stringify(memory));
    } finally {
      await file.close();
    }
    await rename(`${path}.${process.pid}.new`, path);
  }
}
