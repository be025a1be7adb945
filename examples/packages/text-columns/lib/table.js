import { align, truncate } from './align.js';
import { wrap } from './wrap.js';

/**
 * Formats rows as a table. A column is as wide as its widest cell, but no wider than its `maxWidth`;
 * with `overflow: 'wrap'` longer cells run over several lines, otherwise they are cut.
 */
export function formatTable(rows, columns, { separator = ' | ', overflow = 'cut' } = {}) {
  const widths = columns.map((column) => columnWidth(rows, column));
  const header = formatRow(columns.map((column) => column.title), columns, widths, separator);
  const rule = widths.map((width) => '-'.repeat(width)).join(separator.replace(/ /g, '-').replace('|', '+'));
  const body = rows.flatMap((row) => {
    const cells = columns.map((column) => String(row[column.key] ?? ''));
    if (overflow !== 'wrap') return [formatRow(cells, columns, widths, separator)];
    return wrapRow(cells, columns, widths, separator);
  });
  return [header, rule, ...body].map((line) => line.trimEnd()).join('\n');
}

function columnWidth(rows, column) {
  const lengths = rows.map((row) => String(row[column.key] ?? '').length);
  const natural = Math.max(column.title.length, ...lengths);
  return Math.min(natural, column.maxWidth ?? Infinity);
}

function formatRow(cells, columns, widths, separator) {
  return cells.map((cell, index) => align(truncate(cell, widths[index]), widths[index], columns[index].align)).join(separator);
}

function wrapRow(cells, columns, widths, separator) {
  const wrapped = cells.map((cell, index) => wrap(cell, widths[index]));
  const height = Math.min(...wrapped.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) =>
    formatRow(wrapped.map((lines) => lines[line] ?? ''), columns, widths, separator),
  );
}
