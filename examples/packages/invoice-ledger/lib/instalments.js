/**
 * Splits an amount into equal parts without losing a cent: the first parts carry what cannot be divided.
 */
export function splitIntoInstalments(cents, parts) {
  if (!Number.isInteger(parts) || parts < 1) throw new RangeError(`Not a number of parts: ${parts}`);
  const base = Math.floor(cents / parts);
  const extra = cents - base * parts;
  return Array.from({ length: parts }, (_, index) => (index < extra ? base + 1 : base));
}
