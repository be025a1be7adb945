import { useState } from "preact/hooks";
import { formatCount } from "../../view/format-figures.ts";
import { toPlainText } from "../../view/plain-text.ts";

const STEP_LINES = 120;
const STEP_CHARACTERS = 12_000;

/** The end of the part of a text that is shown: so many lines, or so many characters where lines are long. */
function clip(text: string, steps: number, lines: number): number {
  const most = STEP_CHARACTERS * steps;
  let at = -1;
  for (let line = 0; line < lines * steps; line++) {
    at = text.indexOf("\n", at + 1);
    if (at < 0 || at > most) return Math.min(text.length, most);
  }
  return at;
}

export interface ClippedTextProps {
  readonly text: string;
  readonly label?: string;
  /** How many lines are shown before somebody asks for more. */
  readonly lines?: number;
}

/** What a program printed, as it printed it, a part at a time: a page with a megabyte in one line is no page. */
export function ClippedText({ text, label = "", lines = STEP_LINES }: ClippedTextProps) {
  const [steps, setSteps] = useState(1);
  const plain = toPlainText(text);
  const end = clip(plain, steps, lines);
  return (
    <div class="printed">
      {label === "" ? null : <span class="printed-label">{label}</span>}
      <pre tabIndex={0}>{plain.slice(0, end)}</pre>
      {end >= plain.length ? null : (
        <button type="button" class="more" onClick={() => setSteps(steps * 3)}>
          {formatCount(plain.length - end, "more character")}
        </button>
      )}
    </div>
  );
}
