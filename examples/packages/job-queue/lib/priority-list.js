/** A list that gives out its highest priority first, and among equals the one that came first. */
export class PriorityList {
  #entries = [];

  get size() {
    return this.#entries.length;
  }

  add(value, priority = 0) {
    const index = this.#entries.findIndex((entry) => entry.priority < priority);
    const entry = { value, priority };
    if (index === -1) this.#entries.push(entry);
    else this.#entries.splice(index, 0, entry);
  }

  take() {
    return this.#entries.shift()?.value;
  }

  remove(predicate) {
    const before = this.#entries.length;
    this.#entries = this.#entries.filter((entry) => !predicate(entry.value));
    return before - this.#entries.length;
  }
}
