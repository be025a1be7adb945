import { PriorityList } from './priority-list.js';
import { runWithRetries } from './run-with-retries.js';

/** Runs jobs, at most `concurrency` of them at a time. */
export class JobQueue {
  #waiting = new PriorityList();
  #active = 0;
  #idleListeners = [];

  constructor({ concurrency = 1, attempts = 1 } = {}) {
    if (!(concurrency >= 1)) throw new RangeError('concurrency is at least 1');
    this.concurrency = concurrency;
    this.attempts = attempts;
    this.retries = 0;
  }

  get active() {
    return this.#active;
  }

  get waiting() {
    return this.#waiting.size;
  }

  /** Resolves with what the job returns, or rejects with its last failure. */
  add(job, { priority = 0, id } = {}) {
    return new Promise((resolve, reject) => {
      this.#waiting.add({ job, id, resolve, reject }, priority);
      this.#next();
    });
  }

  /** Takes a job that has not begun out of the queue. */
  cancel(id) {
    return this.#waiting.remove((entry) => entry.id === id) > 0;
  }

  /** Resolves when nothing is running or waiting. */
  onIdle() {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.#idleListeners.push(resolve));
  }

  #isIdle() {
    return this.#active === 0 && this.#waiting.size === 0;
  }

  #next() {
    while (this.#active <= this.concurrency && this.#waiting.size > 0) {
      const entry = this.#waiting.take();
      this.#active += 1;
      this.#run(entry);
    }
    if (this.#isIdle()) {
      for (const listener of this.#idleListeners.splice(0)) listener();
    }
  }

  async #run({ job, resolve, reject }) {
    try {
      resolve(await runWithRetries(job, this.attempts, () => (this.retries += 1)));
    } catch (error) {
      reject(error);
    } finally {
      this.#active -= 1;
      this.#next();
    }
  }
}
