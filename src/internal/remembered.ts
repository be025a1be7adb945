/** What is worked out when it is first asked for, and then remembered; a failure is forgotten, so that the next one who asks tries again. */
export class Remembered<Value> {
  readonly #work: () => Promise<Value>;
  #value: Promise<Value> | undefined;

  constructor(work: () => Promise<Value>) {
    this.#work = work;
  }

  get(): Promise<Value> {
    this.#value ??= this.#work().catch((error: unknown) => {
      this.#value = undefined;
      throw error;
    });
    return this.#value;
  }

  /** What was asked for before; undefined where nobody has. */
  get begun(): Promise<Value> | undefined {
    return this.#value;
  }
}
