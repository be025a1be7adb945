import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { discountRate, invoiceTotals, lineTotal } from '../lib/index.js';

describe('discountRate', () => {
  it('gives nothing for small quantities', () => {
    assert.equal(discountRate(1), 0);
    assert.equal(discountRate(9), 0);
  });

  it('begins with the tenth piece', () => {
    assert.equal(discountRate(10), 0.05);
  });

  it('rises at fifty and at a hundred', () => {
    assert.equal(discountRate(49), 0.05);
    assert.equal(discountRate(50), 0.1);
    assert.equal(discountRate(99), 0.1);
    assert.equal(discountRate(100), 0.15);
  });
});

describe('lineTotal', () => {
  it('takes the unit price times the quantity', () => {
    assert.deepEqual(lineTotal({ quantity: 3, unitCents: 250 }), { gross: 750, discount: 0, net: 750 });
  });

  it('subtracts the discount', () => {
    assert.deepEqual(lineTotal({ quantity: 20, unitCents: 1000 }), { gross: 20000, discount: 1000, net: 19000 });
  });

  it('refuses what is no quantity', () => {
    assert.throws(() => lineTotal({ quantity: -1, unitCents: 250 }), RangeError);
    assert.throws(() => lineTotal({ quantity: 1.5, unitCents: 250 }), RangeError);
  });
});

describe('invoiceTotals', () => {
  it('works out tax per rate', () => {
    const totals = invoiceTotals({
      taxRate: 0.2,
      lines: [
        { quantity: 2, unitCents: 1000 },
        { quantity: 1, unitCents: 500, taxRate: 0.05 },
      ],
    });
    assert.deepEqual(totals, { gross: 2500, discount: 0, net: 2500, tax: 425, total: 2925 });
  });

  it('takes tax on what is left after the discount', () => {
    const totals = invoiceTotals({ taxRate: 0.1, lines: [{ quantity: 60, unitCents: 100 }] });
    assert.deepEqual(totals, { gross: 6000, discount: 600, net: 5400, tax: 540, total: 5940 });
  });

  it('is all zero for an empty invoice', () => {
    assert.deepEqual(invoiceTotals({ lines: [] }), { gross: 0, discount: 0, net: 0, tax: 0, total: 0 });
  });
});
