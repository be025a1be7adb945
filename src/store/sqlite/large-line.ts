/** A line of more characters does not travel in one piece: its transaction would keep every other session waiting. */
export const LARGE_LINE_CHARACTERS = 2 * 1024 * 1024;

/** As many characters as one transaction takes in a few milliseconds. */
const PART_CHARACTERS = 512 * 1024;

/** Cuts a line into parts that join to the same line; never between the halves of a character, for a half alone is not UTF-8. */
export function* cutLine(line: string): Generator<string> {
  for (let start = 0; start < line.length;) {
    let end = Math.min(line.length, start + PART_CHARACTERS);
    if (end < line.length && isHighSurrogate(line.charCodeAt(end - 1))) end -= 1;
    yield line.slice(start, end);
    start = end;
  }
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}
