/**
 * The lines of a text that comes in pieces, without their newlines. Only `\n` ends a line: JSON may hold the other characters
 * that some readers take for ends of lines. What stands after the last newline is a line, unless it is empty.
 */
export async function* splitLines(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  // A line of many pieces is joined once, at its end.
  let pieces: string[] = [];
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf("\n"); end !== -1; end = chunk.indexOf("\n", start)) {
      pieces.push(chunk.slice(start, end));
      yield pieces.join("");
      pieces = [];
      start = end + 1;
    }
    if (start < chunk.length) pieces.push(chunk.slice(start));
  }
  if (pieces.length > 0) yield pieces.join("");
}
