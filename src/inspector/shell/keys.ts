import { useLayoutEffect, useRef } from "preact/hooks";

/** What a key does; `false` says that it did nothing, and somebody else may. */
export type KeyActions = Readonly<Record<string, () => void | false>>;

const layers: { readonly current: KeyActions }[] = [];

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
  for (const layer of [...layers].reverse()) {
    const action = layer.current[event.key];
    if (action === undefined || action() === false) continue;
    event.preventDefault();
    return;
  }
});

/** Keys that work while the component is there; those of what came last go first, and those of the whole page last. */
export function useKeys(actions: KeyActions, { ofPage = false } = {}): void {
  const layer = useRef(actions);
  layer.current = actions;
  // Before the page is painted: a key works as soon as its button is seen.
  useLayoutEffect(() => {
    if (ofPage) layers.unshift(layer);
    else layers.push(layer);
    return () => {
      layers.splice(layers.indexOf(layer), 1);
    };
  }, []);
}
