import type { EventBlock } from "../../view/event-blocks.ts";

const MAX_EVENTS = 200;
const MAX_CHARACTERS = 200_000;
/** JSON leaves these as they are; on a page they would turn the direction of writing, or hide. */
const HIDDEN = /[\u007F-\u009F\u061C\u200B-\u200F\u2028-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB]/g;

export function toVisibleJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    HIDDEN,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The stored events of a block as they are. */
export function RawPanel({ block, onClose }: { readonly block: EventBlock; readonly onClose: () => void }) {
  const shown = block.events.slice(0, MAX_EVENTS);
  const text = shown.map(toVisibleJson).join("\n");
  const cut = text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}\n…` : text;
  return (
    <aside class="raw" aria-label="Raw events">
      <header class="raw-head">
        <strong>
          {block.events.length === 1
            ? `event ${block.firstSeq}`
            : `${block.events.length.toLocaleString("en-US")} events from ${block.firstSeq}`}
        </strong>
        {shown.length < block.events.length ? <span class="quiet">{`the first ${MAX_EVENTS}`}</span> : null}
        <span class="space" />
        <button type="button" onClick={() => void navigator.clipboard?.writeText(text)}>
          Copy
        </button>
        <button type="button" onClick={onClose}>
          Close <kbd>r</kbd>
        </button>
      </header>
      <pre tabIndex={0}>{cut}</pre>
    </aside>
  );
}
