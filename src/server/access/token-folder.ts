import { mkdir, open, readdir, readFile, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { StoreError } from "../../errors.ts";
import { AccessTokens, createToken } from "./access-tokens.ts";
import type { AccessGrant, IssueTokenOptions, StoredToken } from "./access-tokens.ts";

/** How often a folder is looked at for tokens that another process has issued or revoked. */
const LOOK_MS = 1000;

const TOKEN_ID = /^token_[0-9a-z]{1,40}$/;

/** Tokens in a folder, a file each, so that several processes may issue and revoke them. Only their hashes are there. */
export class TokenFolder {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws ValidationError `invalid_option`; StoreError `store_failed` */
  async issue(options: IssueTokenOptions): Promise<{ readonly token: string; readonly stored: StoredToken }> {
    const made = createToken(options);
    try {
      await mkdir(this.#path, { recursive: true, mode: 0o700 });
      const file = await open(this.#fileOf(made.stored.id), "wx", 0o600);
      try {
        await file.writeFile(JSON.stringify(made.stored));
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (cause) {
      throw this.#failed("written", cause);
    }
    return made;
  }

  /** False where no token has the id. @throws StoreError `store_failed` */
  async revoke(id: string): Promise<boolean> {
    if (!TOKEN_ID.test(id)) return false;
    try {
      await unlink(this.#fileOf(id));
      return true;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw this.#failed("written", cause);
    }
  }

  /** Oldest first; what is no token is passed over, for it opens nothing. @throws StoreError `store_failed` */
  async list(): Promise<StoredToken[]> {
    let names: string[];
    try {
      names = await readdir(this.#path);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw this.#failed("read", cause);
    }
    const found: StoredToken[] = [];
    for (const name of names) {
      const text = await readFile(join(this.#path, name), "utf8").catch(() => "");
      const stored = parseStoredToken(text);
      if (stored !== undefined && name === `${stored.id}.json`) found.push(stored);
    }
    return found.sort((a, b) => a.createdAt - b.createdAt);
  }

  /** Another one where tokens came or went. */
  async version(): Promise<string> {
    const about = await stat(this.#path, { bigint: true }).catch(() => undefined);
    return about === undefined ? "" : String(about.mtimeNs);
  }

  #fileOf(id: string): string {
    return join(this.#path, `${id}.json`);
  }

  #failed(what: "read" | "written", cause: unknown): StoreError {
    const { code } = cause as NodeJS.ErrnoException;
    return new StoreError(
      "store_failed",
      `The tokens in ${this.#path} cannot be ${what} (${code ?? "unknown error"}); look at the folder's permissions.`,
      { cause },
    );
  }
}

/**
 * The tokens of a folder, kept as they are there: one that another process issues is known, and one that it revokes is forgotten, within a second
 * or so. What is issued or revoked by these tokens themselves is in the folder when the promise resolves.
 */
export class KeptAccessTokens extends AccessTokens implements AsyncDisposable {
  readonly #folder: TokenFolder;
  readonly #fromFolder = new Set<string>();
  readonly #timer: NodeJS.Timeout;
  #version: string | undefined;
  /** One change at a time: a look must not undo what is issued or revoked while it is under way. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(folder: TokenFolder) {
    super();
    this.#folder = folder;
    this.#timer = setInterval(() => void this.refresh().catch(() => {}), LOOK_MS);
    this.#timer.unref();
  }

  /** @throws StoreError `store_failed` */
  static async open(path: string): Promise<KeptAccessTokens> {
    const tokens = new KeptAccessTokens(new TokenFolder(path));
    await tokens.refresh();
    return tokens;
  }

  /** Looks now. A folder that cannot be read changes nothing. */
  override refresh(): Promise<void> {
    return this.#inTurn(() => this.#look());
  }

  /** A token that is known after a restart too. @throws ValidationError `invalid_option`; StoreError `store_failed` */
  issueKept(options: IssueTokenOptions): Promise<{ readonly token: string; readonly grant: AccessGrant }> {
    return this.#inTurn(async () => {
      const { token, stored } = await this.#folder.issue(options);
      this.#fromFolder.add(stored.id);
      return { token, grant: this.admit(stored) };
    });
  }

  /** False where no token has the id. @throws StoreError `store_failed` */
  revokeKept(id: string): Promise<boolean> {
    return this.#inTurn(async () => {
      // Here first: what cannot be taken from the disk opens nothing either, until the server is started again.
      const isKnown = this.revoke(id);
      this.#fromFolder.delete(id);
      return (await this.#folder.revoke(id)) || isKnown;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#turn;
  }

  #inTurn<Result>(change: () => Promise<Result>): Promise<Result> {
    const done = this.#turn.then(change);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #look(): Promise<void> {
    const version = await this.#folder.version();
    if (version === this.#version) return;
    const found = new Map((await this.#folder.list()).map((stored) => [stored.id, stored]));
    for (const id of this.#fromFolder) {
      if (found.has(id)) continue;
      this.#fromFolder.delete(id);
      this.revoke(id);
    }
    for (const [id, stored] of found) {
      if (this.#fromFolder.has(id)) continue;
      this.#fromFolder.add(id);
      this.admit(stored);
    }
    // Looked at again until nothing was written for a while: a file may have had no content yet.
    this.#version =
      Date.now() - Number(BigInt(version === "" ? "0" : version) / 1_000_000n) > 2 * LOOK_MS ? version : undefined;
  }
}

function parseStoredToken(text: string): StoredToken | undefined {
  let value: Partial<Record<keyof StoredToken, unknown>>;
  try {
    value = (JSON.parse(text) ?? {}) as typeof value;
  } catch {
    return undefined;
  }
  const { id, scope, name, createdAt, expiresAt, hash } = value;
  const isScope =
    scope === "write" ||
    scope === "read" ||
    (typeof scope === "object" && scope !== null && typeof (scope as { session?: unknown }).session === "string");
  if (typeof id !== "string" || !TOKEN_ID.test(id) || !isScope || typeof createdAt !== "number") return undefined;
  if (typeof hash !== "string" || !/^[0-9a-f]{64}$/.test(hash)) return undefined;
  if (name !== undefined && typeof name !== "string") return undefined;
  if (expiresAt !== undefined && typeof expiresAt !== "number") return undefined;
  return value as StoredToken;
}
