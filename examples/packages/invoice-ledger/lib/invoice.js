import { lineTotal } from './line.js';
import { share } from './money.js';

/** The totals of an invoice: tax is worked out per rate, on the sum of the lines that carry it. */
export function invoiceTotals(invoice) {
  const netByRate = new Map();
  let gross = 0;
  let discount = 0;
  for (const line of invoice.lines) {
    const total = lineTotal(line);
    const rate = line.taxRate ?? invoice.taxRate ?? 0;
    gross += total.gross;
    discount += total.discount;
    netByRate.set(rate, (netByRate.get(rate) ?? 0) + total.net);
  }
  let net = 0;
  let tax = 0;
  for (const [rate, sum] of netByRate) {
    net += sum;
    tax += share(sum, rate);
  }
  return { gross, discount, net, tax, total: net + tax };
}
