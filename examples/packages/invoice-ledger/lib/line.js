import { share } from './money.js';

const TIERS = [
  { from: 100, rate: 0.15 },
  { from: 50, rate: 0.1 },
  { from: 10, rate: 0.05 },
];

/** The discount that a quantity earns: the highest tier that it reaches. */
export function discountRate(quantity) {
  for (const tier of TIERS) {
    if (quantity > tier.from) return tier.rate;
  }
  return 0;
}

/** What one line costs before tax. */
export function lineTotal(line) {
  if (!Number.isInteger(line.quantity) || line.quantity < 0) {
    throw new RangeError(`Not a quantity: ${line.quantity}`);
  }
  const gross = line.quantity * line.unitCents;
  const discount = share(gross, discountRate(line.quantity));
  return { gross, discount, net: gross + discount };
}
