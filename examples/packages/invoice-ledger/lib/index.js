export { toCents, formatCents } from './money.js';
export { discountRate, lineTotal } from './line.js';
export { invoiceTotals } from './invoice.js';
export { splitIntoInstalments } from './instalments.js';
