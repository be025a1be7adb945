/**
 * Loaded before anything else into the Node processes of a box whose memory can be forked (`node --require`). The state of a random generator is
 * memory: four forks of one process would draw the same ids and keys. Here such a process takes its randomness from the kernel, which no fork shares.
 *
 * - `crypto.randomBytes`, `randomFill`, `randomInt`, `randomUUID` and those of Web Crypto read `/dev/urandom` at each call and keep nothing.
 * - `Math.random` has a generator of its own that is seeded anew whenever it was not asked for a moment: a process that was frozen was not.
 *
 * Keys that OpenSSL makes (`generateKeyPair`, TLS) and programs that are not Node keep what they have.
 * It is CommonJS and imports nothing, so that it loads in any Node from 20.16 and changes nothing about how a program is loaded.
 */
const fs = process.getBuiltinModule("node:fs");
const crypto = process.getBuiltinModule("node:crypto");

type Bytes = NodeJS.ArrayBufferView | ArrayBuffer;
type Callback<T> = (error: Error | null, value?: T) => void;

const source = fs.openSync("/dev/urandom", "r");

function fill(view: Uint8Array): Uint8Array {
  for (let done = 0; done < view.length;) done += fs.readSync(source, view, done, view.length - done, null);
  return view;
}

function toView(buffer: Bytes, offset = 0, size?: number): Uint8Array {
  const whole =
    buffer instanceof ArrayBuffer
      ? new Uint8Array(buffer)
      : new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const width =
    buffer instanceof ArrayBuffer || !("BYTES_PER_ELEMENT" in buffer) ? 1 : (buffer as Uint8Array).BYTES_PER_ELEMENT;
  const start = offset * width;
  return whole.subarray(start, size === undefined ? undefined : start + size * width);
}

/** What a call answers is given back, or handed to its callback where there is one, later. */
function answer<T>(value: T, callback: Callback<T> | undefined): T | undefined {
  if (callback === undefined) return value;
  setImmediate(callback, null, value);
  return undefined;
}

const real = {
  randomBytes: crypto.randomBytes,
  randomFillSync: crypto.randomFillSync,
  randomFill: crypto.randomFill,
  randomInt: crypto.randomInt,
};

// The real ones check what they are given, on something that costs nothing, so that wrong arguments fail as they always did.
function randomBytes(size: number, callback?: Callback<Buffer>): Buffer | undefined {
  if (
    !Number.isInteger(size) ||
    size < 0 ||
    size > 0x7fffffff ||
    (callback !== undefined && typeof callback !== "function")
  )
    return real.randomBytes(size, callback as never) as unknown as Buffer;
  return answer(fill(Buffer.allocUnsafeSlow(size)) as Buffer, callback);
}

function randomFillSync<T extends Bytes>(buffer: T, offset?: number, size?: number): T {
  (real.randomFillSync as (...all: unknown[]) => void)(buffer, offset ?? 0, size);
  fill(toView(buffer, offset, size));
  return buffer;
}

function randomFill(buffer: Bytes, ...rest: unknown[]): void {
  const callback = rest.pop() as Callback<Bytes>;
  const [offset, size] = rest as (number | undefined)[];
  (real.randomFill as (...all: unknown[]) => void)(buffer, ...rest, (error: Error | null) => {
    if (error === null) fill(toView(buffer, offset, size));
    callback(error, buffer);
  });
}

const LARGEST = 2 ** 48 - 1;

function randomInt(...values: unknown[]): number | undefined {
  const callback = typeof values.at(-1) === "function" ? (values.at(-1) as Callback<number>) : undefined;
  const bounds = (callback === undefined ? values : values.slice(0, -1)).filter((value) => value !== undefined);
  const [low, high] = (bounds.length < 2 ? [0, bounds[0]] : bounds) as [number, number];
  if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || high <= low || high - low > LARGEST)
    return (real.randomInt as (...all: unknown[]) => number)(...values);
  const range = high - low;
  // Values past the last whole multiple of the range would favour small ones.
  const limit = LARGEST - (LARGEST % range);
  const bytes = Buffer.allocUnsafeSlow(6);
  let drawn: number;
  do drawn = (fill(bytes) as Buffer).readUIntBE(0, 6);
  while (drawn >= limit);
  return answer(low + (drawn % range), callback);
}

function randomUUID(): string {
  const bytes = fill(Buffer.allocUnsafeSlow(16)) as Buffer;
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const text = bytes.toString("hex");
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`;
}

// ── Math.random ──
/** A freeze lasts longer than this, so whoever was frozen finds his seed too old. */
const SEED_MS = 2;
const seedBytes = Buffer.allocUnsafeSlow(16);
let state: [number, number, number, number] = [0, 0, 0, 0];
let seededAt = -Infinity;

function draw(): number {
  // sfc32
  const [a, b, c, d] = state;
  const sum = (a + b + d) | 0;
  state = [b ^ (b >>> 9), (c + (c << 3)) | 0, (((c << 21) | (c >>> 11)) + sum) | 0, (d + 1) | 0];
  return sum >>> 0;
}

function random(): number {
  for (;;) {
    const now = performance.now();
    if (now - seededAt > SEED_MS) {
      fill(seedBytes);
      state = [seedBytes.readInt32LE(0), seedBytes.readInt32LE(4), seedBytes.readInt32LE(8), seedBytes.readInt32LE(12)];
      seededAt = now;
    }
    const value = ((draw() >>> 5) * 0x4000000 + (draw() >>> 6)) / 0x20000000000000;
    // Frozen between the look and the draw: once more.
    if (performance.now() - now <= SEED_MS) return value;
  }
}

Object.assign(crypto, {
  randomBytes,
  randomFillSync,
  randomFill,
  randomInt,
  randomUUID,
  pseudoRandomBytes: randomBytes,
});
const web = Object.getPrototypeOf(crypto.webcrypto) as { getRandomValues: (view: Uint8Array) => Uint8Array };
const realGetRandomValues = web.getRandomValues;
Object.assign(web, {
  getRandomValues(this: unknown, view: Uint8Array): Uint8Array {
    realGetRandomValues.call(this as never, view);
    fill(toView(view));
    return view;
  },
  randomUUID,
});
Math.random = random;
process.getBuiltinModule("node:module").syncBuiltinESMExports();
