/** Breaks a text into lines of at most `width` characters; a word that is longer is cut. */
export function wrap(text, width) {
  if (!(width > 0)) throw new RangeError(`Not a width: ${width}`);
  const lines = [];
  for (const paragraph of text.split('\n')) lines.push(...wrapParagraph(paragraph, width));
  return lines;
}

function wrapParagraph(paragraph, width) {
  const lines = [];
  let line = '';
  for (const word of cutLongWords(paragraph.split(/\s+/).filter(Boolean), width)) {
    const candidate = line === '' ? word : `${line} ${word}`;
    if (candidate.length <= width) {
      line = candidate;
    } else {
      lines.push(line);
      line = word;
    }
  }
  lines.push(line);
  return lines;
}

function cutLongWords(words, width) {
  const pieces = [];
  for (const word of words) {
    for (let start = 0; start < word.length; start += width) pieces.push(word.slice(start, start + width));
  }
  return pieces;
}
