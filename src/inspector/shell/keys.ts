import { useLayoutEffect, useRef } from "preact/hooks";

/** What a key does; `false` says that it did nothing, and somebody else may. */
export type KeyActions = Readonly<Record<string, () => void | false>>;

/** Whose keys go first: those of a question that is asked, then those of what is shown, then those of the whole page. */
const RANKS = { question: 2, view: 1, page: 0 } as const;

interface Layer {
  actions: KeyActions;
  readonly rank: number;
}

/** By rank; of one rank those of what came last go first. */
const layers: Layer[] = [];

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return target.type !== "checkbox" && target.type !== "range";
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (isTyping(event.target) && event.key !== "Escape") return;
  // A question that is asked has the keys.
  if (document.querySelector("dialog[open]") !== null) return;
  const isControl =
    event.target instanceof HTMLElement && event.target.closest("button, a, summary, input[type=checkbox]") !== null;
  // A button that has the focus is what Enter and the space bar are for.
  if (isControl && (event.key === "Enter" || event.key === " ")) return;
  if (event.target instanceof HTMLInputElement && event.target.type === "range" && event.key.startsWith("Arrow"))
    return;
  for (const layer of layers.toReversed()) {
    const action = layer.actions[event.key];
    if (action === undefined || action() === false) continue;
    event.preventDefault();
    return;
  }
});

/** Keys that work while the component is there. */
export function useKeys(actions: KeyActions, rank: keyof typeof RANKS = "view"): void {
  const layer = useRef<Layer>({ actions, rank: RANKS[rank] }).current;
  layer.actions = actions;
  // Before the page is painted: a key works as soon as its button is seen.
  useLayoutEffect(() => {
    layers.splice(layers.findLastIndex((other) => other.rank <= layer.rank) + 1, 0, layer);
    return () => {
      layers.splice(layers.indexOf(layer), 1);
    };
  }, []);
}
