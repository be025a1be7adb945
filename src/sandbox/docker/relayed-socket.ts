import { Duplex } from "node:stream";

/** What a relayed connection needs of the line that it goes over. */
export interface RelayedLine {
  /** Opens a stream to boxd. */
  open(): Promise<Duplex>;
  /** The connection is over. */
  left(socket: RelayedSocket): void;
  /** Whether it keeps this process alive has changed. */
  changed(): void;
}

/**
 * A connection to boxd over a relay, as Node's HTTP client takes it for a socket: it is there at once, and what is written waits until the
 * line is open.
 */
export class RelayedSocket extends Duplex {
  readonly #line: RelayedLine;
  #stream: Duplex | undefined;
  #isRef = true;
  #silence: NodeJS.Timeout | undefined;

  constructor(line: RelayedLine) {
    super({ allowHalfOpen: true });
    this.#line = line;
  }

  get keepsAlive(): boolean {
    return this.#isRef;
  }

  ref(): this {
    this.#isRef = true;
    this.#line.changed();
    return this;
  }

  unref(): this {
    this.#isRef = false;
    this.#line.changed();
    return this;
  }

  /** As a socket's: `timeout` is emitted where nothing was heard or said for so long; 0 for never. */
  setTimeout(milliseconds: number, listener?: () => void): this {
    clearTimeout(this.#silence);
    this.#silence = milliseconds > 0 ? setTimeout(() => void this.emit("timeout"), milliseconds).unref() : undefined;
    if (listener !== undefined) this.once("timeout", listener);
    return this;
  }

  override _construct(done: (error?: Error | null) => void): void {
    // Not before the constructor of this class is done.
    queueMicrotask(() => void this.#open(done));
  }

  async #open(done: (error?: Error | null) => void): Promise<void> {
    try {
      this.#attach(await this.#line.open());
      done();
    } catch (error) {
      done(error as Error);
    }
  }

  #attach(stream: Duplex): void {
    this.#stream = stream;
    stream.on("data", (chunk: Buffer) => {
      this.#silence?.refresh();
      if (!this.push(chunk)) stream.pause();
    });
    stream.once("end", () => this.push(null));
    stream.once("error", (error) => this.destroy(error));
    stream.once("close", () => {
      if (!this.readableEnded && stream.readableEnded && this.writableFinished) return;
      if (!stream.readableEnded) this.destroy();
    });
  }

  override _read(): void {
    this.#stream?.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#silence?.refresh();
    const stream = this.#stream as Duplex;
    if (stream.destroyed) return done(new Error("the line to the box is closed"));
    if (stream.write(chunk)) return done();
    const go = (): void => {
      stream.off("drain", go).off("close", go);
      done(stream.destroyed ? new Error("the line to the box is closed") : null);
    };
    stream.once("drain", go).once("close", go);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#stream?.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#silence);
    this.#stream?.destroy();
    this.#line.left(this);
    done(error);
  }
}
