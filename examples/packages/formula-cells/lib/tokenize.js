const TOKEN = /\s*(?:(\d+(?:\.\d+)?)|([A-Z]+\d+)|([-+*/()]))/y;

/** "A1 + 2*3" → tokens; throws where it meets something else. */
export function tokenize(formula) {
  const tokens = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < formula.trimEnd().length) {
    const position = TOKEN.lastIndex;
    const match = TOKEN.exec(formula);
    if (!match) throw new SyntaxError(`Unexpected character at ${position}: ${formula}`);
    if (match[1] !== undefined) tokens.push({ kind: 'number', value: Number(match[1]) });
    else if (match[2] !== undefined) tokens.push({ kind: 'cell', name: match[2] });
    else tokens.push({ kind: 'operator', operator: match[3] });
  }
  return tokens;
}
