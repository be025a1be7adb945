const ELLIPSIS = '…';

/** Pads a text to `width`; an odd gap puts the larger half to the right of centred text. */
export function align(text, width, side = 'left') {
  const gap = Math.max(0, width - text.length);
  if (side === 'right') return ' '.repeat(gap) + text;
  if (side === 'center') {
    const before = Math.ceil(gap / 2);
    return ' '.repeat(before) + text + ' '.repeat(gap - before);
  }
  return text + ' '.repeat(gap);
}

/** Cuts a text to `width` and marks the cut. */
export function truncate(text, width) {
  if (text.length <= width) return text;
  if (width <= 1) return ELLIPSIS.slice(0, width);
  return text.slice(0, width - 2) + ELLIPSIS;
}
