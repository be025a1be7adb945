/** Parses "1,234.50" or 1234.5 into whole cents. */
export function toCents(amount) {
  const value = typeof amount === 'string' ? Number(amount.replaceAll(',', '')) : amount;
  if (!Number.isFinite(value)) throw new TypeError(`Not an amount of money: ${amount}`);
  return Math.round(value * 100);
}

/** Formats whole cents as "1,234.50". */
export function formatCents(cents) {
  const sign = cents < 0 ? '-' : '';
  const absolute = Math.abs(cents);
  const units = String(Math.floor(absolute / 100)).replace(/\B(?=(\d{3})+$)/g, ',');
  const rest = String(absolute % 100).padStart(2, '0');
  return `${sign}${units}.${rest}`;
}

/** A share of an amount, rounded half away from zero. */
export function share(cents, rate) {
  const exact = cents * rate;
  return Math.sign(exact) * Math.round(Math.abs(exact));
}
