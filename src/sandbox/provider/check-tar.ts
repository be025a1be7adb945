import { SandboxError } from "../../errors.ts";

const BLOCK = 512;
/** What a path may take in an archive, in bytes. */
const LONGEST_PATH = 64 * 1024;
const SET_ID_BITS = 0o6000;
/** By the letter of their entries: files, symbolic links, folders, pipes; and the long names and link targets of what comes next. */
const FILE = new Set(["0", "\0"]);
const [SYMLINK, FOLDER, PIPE, LONG_LINK, LONG_NAME] = ["2", "5", "6", "K", "L"];

/**
 * Passes a tar archive on as it is, and fails before anything of an entry is passed on that would lie anywhere but in one of the folders `names`:
 * by its own name, or through a symbolic link that the archive itself made. Hard links, devices, files that change who runs them, and whatever
 * GNU tar does not write (`--format=gnu --hard-dereference`) are refused as well.
 *
 * @throws SandboxError `checkpoint_damaged`
 */
export async function* checkTar(
  source: AsyncIterable<Uint8Array>,
  names: readonly string[],
): AsyncGenerator<Uint8Array> {
  const entries = new Entries(names);
  let head: Uint8Array = new Uint8Array();
  /** Bytes of the entry's content that are still to come, its padding included. */
  let left = 0;
  for await (const chunk of source) {
    let bytes = chunk;
    while (bytes.length > 0) {
      if (left > 0) {
        const content = bytes.subarray(0, left);
        entries.take(content);
        yield content;
        left -= content.length;
        bytes = bytes.subarray(content.length);
        continue;
      }
      const missing = BLOCK - head.length;
      head = Buffer.concat([head, bytes.subarray(0, missing)]);
      bytes = bytes.subarray(missing);
      if (head.length < BLOCK) break;
      left = entries.begin(Buffer.from(head));
      yield head;
      head = new Uint8Array();
    }
  }
  if (left > 0 || head.length > 0 || !entries.ended) throw damaged("it ends in the middle");
}

class Entries {
  ended = false;
  readonly #names: ReadonlySet<string>;
  readonly #links = new Set<string>();
  /** A name that is too long for a head comes as the content of an entry before it. */
  #longName: Buffer[] | undefined;
  #longBytes = 0;
  #name: string | undefined;

  constructor(names: readonly string[]) {
    this.#names = new Set(names);
  }

  /** @returns how many bytes follow until the next head */
  begin(head: Buffer): number {
    this.#endLongName();
    if (head.every((byte) => byte === 0)) {
      this.ended = true;
      return 0;
    }
    if (this.ended) throw damaged("something stands after its end");
    if (head.toString("latin1", 257, 265) !== "ustar  \0") throw damaged("it is no archive of GNU tar");
    const type = head.toString("latin1", 156, 157);
    const size = readNumber(head.subarray(124, 136));
    if (type === LONG_NAME || type === LONG_LINK) {
      if (size > LONGEST_PATH) throw damaged("a name in it is too long");
      if (type === LONG_NAME) {
        this.#longName = [];
        this.#longBytes = size;
      }
      return toBlocks(size);
    }
    const name = this.#name ?? readText(head.subarray(0, 100));
    this.#name = undefined;
    if ((readNumber(head.subarray(100, 108)) & SET_ID_BITS) !== 0)
      throw damaged("a file in it would run as somebody else");
    this.#requireInside(name);
    if (FILE.has(type)) return toBlocks(size);
    if ((type !== SYMLINK && type !== FOLDER && type !== PIPE) || size !== 0)
      throw damaged("it holds something that is neither a file nor a folder nor a symbolic link");
    if (type === SYMLINK) this.#links.add(name);
    return 0;
  }

  /** What is in an entry; of interest only where that is a name. */
  take(bytes: Uint8Array): void {
    this.#longName?.push(Buffer.from(bytes));
  }

  #endLongName(): void {
    if (this.#longName === undefined) return;
    this.#name = readText(Buffer.concat(this.#longName).subarray(0, this.#longBytes));
    this.#longName = undefined;
  }

  #requireInside(name: string): void {
    const parts = name.replace(/\/$/, "").split("/");
    if (!this.#names.has(parts[0] as string) || parts.some((part) => part === "" || part === "." || part === ".."))
      throw damaged("a name in it leads out of its folder");
    for (let count = 1; count <= parts.length; count++)
      if (this.#links.has(parts.slice(0, count).join("/"))) throw damaged("a name in it leads through a symbolic link");
  }
}

const toBlocks = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

/** Up to the first zero; as bytes, whatever their encoding. */
function readText(field: Buffer): string {
  const end = field.indexOf(0);
  return field.toString("latin1", 0, end === -1 ? field.length : end);
}

/** Octal digits, or the bytes of a large number behind a mark. */
function readNumber(field: Buffer): number {
  const value =
    (field[0] as number) === 0x80
      ? Number(BigInt(`0x${field.subarray(1).toString("hex")}`))
      : Number.parseInt(readText(field).trim() || "0", 8);
  if (!Number.isSafeInteger(value) || value < 0) throw damaged("a number in it is none");
  return value;
}

function damaged(what: string): SandboxError {
  return new SandboxError("checkpoint_damaged", `The archive of the checkpoint cannot be unpacked: ${what}.`);
}
