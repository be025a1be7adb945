/** The heights of a list's rows, measured or guessed: where a row begins and which row is at a place, in logarithmic time. */
export class RowHeights {
  /** A Fenwick tree: entry i holds the sum of a range that ends at row i - 1. */
  #sums = new Float64Array(1024);
  #heights = new Float64Array(1024);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get total(): number {
    return this.offsetOf(this.#count);
  }

  /** Makes the list longer or shorter; new rows get what `guess` says. */
  resize(count: number, guess: (row: number) => number): void {
    if (count < this.#count) {
      this.#heights.fill(0, count, this.#count);
      this.#count = count;
      this.#rebuild();
      return;
    }
    if (count + 1 > this.#sums.length) {
      const size = Math.max(count + 1, this.#sums.length * 2);
      const heights = new Float64Array(size);
      heights.set(this.#heights.subarray(0, this.#count));
      this.#heights = heights;
      this.#sums = new Float64Array(size);
      for (let row = this.#count; row < count; row++) heights[row] = guess(row);
      this.#count = count;
      this.#rebuild();
      return;
    }
    for (let row = this.#count; row < count; row++) {
      this.#count = row + 1;
      this.#add(row, guess(row));
    }
  }

  /** Sets the height of a row; answers by how much it changed. */
  set(row: number, height: number): number {
    if (row < 0 || row >= this.#count) return 0;
    const change = height - (this.#heights[row] ?? 0);
    if (change !== 0) this.#add(row, change);
    return change;
  }

  heightOf(row: number): number {
    return this.#heights[row] ?? 0;
  }

  /** Where a row begins, from the top of the list. */
  offsetOf(row: number): number {
    let sum = 0;
    for (let at = Math.min(row, this.#count); at > 0; at -= at & -at) sum += this.#sums[at] ?? 0;
    return sum;
  }

  /** The row at a place; the first or the last where it lies outside. */
  rowAt(offset: number): number {
    let position = 0;
    let left = offset;
    let step = 1;
    while (step * 2 <= this.#count) step *= 2;
    for (; step > 0; step >>= 1) {
      const next = position + step;
      if (next <= this.#count && (this.#sums[next] ?? 0) <= left) {
        position = next;
        left -= this.#sums[next] ?? 0;
      }
    }
    return Math.max(0, Math.min(position, this.#count - 1));
  }

  #add(row: number, change: number): void {
    this.#heights[row] = (this.#heights[row] ?? 0) + change;
    for (let at = row + 1; at < this.#sums.length; at += at & -at) this.#sums[at] = (this.#sums[at] ?? 0) + change;
  }

  #rebuild(): void {
    const sums = this.#sums;
    sums.fill(0);
    for (let at = 1; at < sums.length; at++) {
      sums[at] = (sums[at] ?? 0) + (at <= this.#count ? (this.#heights[at - 1] ?? 0) : 0);
      const parent = at + (at & -at);
      if (parent < sums.length) sums[parent] = (sums[parent] ?? 0) + (sums[at] ?? 0);
    }
  }
}

/** The rows to draw, `last` not included, and where the first of them begins. */
export interface VirtualWindow {
  readonly first: number;
  readonly last: number;
  readonly top: number;
}

/** Which rows are looked at, and some more on both sides, so that a little scrolling needs nothing new. */
export function computeWindow(
  heights: RowHeights,
  view: { readonly top: number; readonly height: number; readonly overscan: number },
): VirtualWindow {
  if (heights.count === 0) return { first: 0, last: 0, top: 0 };
  const first = heights.rowAt(Math.max(0, view.top - view.overscan));
  const last = heights.rowAt(view.top + view.height + view.overscan) + 1;
  return { first, last, top: heights.offsetOf(first) };
}
