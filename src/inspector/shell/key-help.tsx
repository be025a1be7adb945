import { useEffect, useRef } from "preact/hooks";

const KEYS: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
  [
    "Everywhere",
    [
      ["?", "these keys"],
      ["s", "search the sessions"],
      ["n", "start a run, where the server offers one"],
      ["/", "search what is shown"],
      ["u", "up: from an iteration to its loop"],
      ["d", "dark, light, as the system (not where two branches are compared)"],
      ["Esc", "close, clear, back to the list"],
    ],
  ],
  [
    "List and timeline",
    [
      ["j k", "next, previous (also ↓ ↑)"],
      ["g G", "first, last (also Home, End)"],
      ["Enter", "open; in a timeline: unfold (also o)"],
      ["r", "raw JSON of the block"],
      ["e E", "next, previous failure"],
    ],
  ],
  [
    "Views",
    [
      ["l", "lineage"],
      ["t", "timeline"],
      ["$", "usage"],
      ["0–9", "in a lineage: open that iteration"],
      ["c", "compare the two that are marked"],
      ["a R F", "abort the run, resume it, fork the session, each after a question"],
      ["1–9", "where the run asks: go to that answer; Enter gives it"],
    ],
  ],
  [
    "Replay",
    [
      ["Space", "play, pause"],
      [", .", "one event back, on"],
      ["< >", "slower, faster"],
      ["f", "to the end, and follow"],
    ],
  ],
  [
    "Compare",
    [
      ["p", "where they part"],
      ["d", "events, files"],
      ["x", "exchange the sides"],
    ],
  ],
];

export function KeyHelp({ onClose }: { readonly onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="dialog keys" aria-label="Keys" onClose={onClose}>
      <div class="key-groups" tabIndex={-1} autoFocus>
        {KEYS.map(([title, keys]) => (
          <section>
            <h2>{title}</h2>
            <dl>
              {keys.map(([key, action]) => (
                <>
                  <dt>
                    <kbd>{key}</kbd>
                  </dt>
                  <dd>{action}</dd>
                </>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <p class="dialog-buttons">
        <button type="button" onClick={() => dialog.current?.close()}>
          Close <kbd>Esc</kbd>
        </button>
      </p>
    </dialog>
  );
}
