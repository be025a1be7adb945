import { useEffect, useReducer } from "preact/hooks";

/** Something that changes and says so, at most once a frame. */
export class Observable {
  readonly #listeners = new Set<() => void>();
  #frame: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells everybody with the next frame; a tab in the background has no frames and is told by a timer. */
  protected changed(): void {
    if (this.#frame !== undefined) return;
    const tell = (): void => {
      if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
      clearTimeout(this.#timer);
      this.#frame = undefined;
      for (const listener of this.#listeners) listener();
    };
    this.#frame = requestAnimationFrame(tell);
    this.#timer = setTimeout(tell, 100);
  }
}

/** Draws the component again whenever one of these changes. */
export function useObservable(...observables: readonly (Observable | undefined)[]): void {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const ends = observables.map((observable) => observable?.subscribe(() => redraw(undefined)));
    redraw(undefined);
    return () => {
      for (const end of ends) end?.();
    };
  }, observables);
}
