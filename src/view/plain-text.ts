/**
 * The sequences that a terminal acts on, by ECMA-48: strings up to their terminator (titles, links, device strings), control sequences (colours,
 * cursor), and the short escapes. Each alternative is linear in what it matches, however hostile the text.
 */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const SEQUENCES =
  /(?:\u001B[\]PX^_]|[\u0090\u0098\u009D-\u009F])[^\u0007\u001B\u009C]*(?:\u0007|\u001B\\|\u009C)|(?:\u001B\[|\u009B)[0-?]*[ -/]*[@-~]|\u001B[ -/]*[0-~]/g;

/** A text without what a terminal would act on. Without Node, so that a page may use it too. */
export function stripSequences(text: string): string {
  return text.replace(SEQUENCES, "");
}

/**
 * Everything that could move a cursor, ring a bell or turn the direction of writing: what an agent or a test prints
 * must never act on the terminal of the person who watches it.
 */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u200E\u200F\u202A-\u202E\u2066-\u2069]/g;

/** Text from outside as it may be shown: line breaks and tabs stay, every other control character goes. */
export function toPlainText(text: string): string {
  return stripSequences(text).replace(CONTROL, "");
}

/** The same on one line. */
export function toPlainLine(text: string): string {
  return toPlainText(text).replaceAll(/\s+/g, " ").trim();
}

const WIDE =
  /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]|\p{Emoji_Presentation}/u;
const ZERO = /\p{Mark}|\u200B|\u200D/u;

function characterWidth(character: string): number {
  return ZERO.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
}

/** Columns that a text takes on a terminal; colours take none. */
export function visibleWidth(text: string): number {
  let width = 0;
  for (const character of stripSequences(text)) width += characterWidth(character);
  return width;
}

// oxlint-disable-next-line no-control-regex -- the colours of this very program
const COLOUR = /\u001B\[[\d;]*m/y;
const RESET = "\u001B[0m";

/** Cuts a line, coloured or not, so that it takes at most `columns`; an ellipsis stands for what is missing. */
export function fitLine(line: string, columns: number): string {
  if (visibleWidth(line) <= columns) return line;
  if (columns < 1) return "";
  let result = "";
  let width = 0;
  let coloured = false;
  for (let index = 0; index < line.length;) {
    COLOUR.lastIndex = index;
    const colour = COLOUR.exec(line)?.[0];
    if (colour !== undefined) {
      result += colour;
      coloured = true;
      index += colour.length;
      continue;
    }
    const character = String.fromCodePoint(line.codePointAt(index) as number);
    if (width + characterWidth(character) > columns - 1) break;
    result += character;
    width += characterWidth(character);
    index += character.length;
  }
  return `${result}…${coloured ? RESET : ""}`;
}

/** Fills a text up with blanks to `columns`. */
export function padTo(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - visibleWidth(text)));
}

/** A text in lines of at most `columns`, broken between words where that is possible. */
export function wrapText(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/).filter((part) => part !== "")) {
    if (line !== "" && visibleWidth(line) + 1 + visibleWidth(word) > columns) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return line === "" ? lines : [...lines, line];
}
