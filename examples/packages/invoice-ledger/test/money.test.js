import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatCents, splitIntoInstalments, toCents } from '../lib/index.js';

test('reads amounts as whole cents', () => {
  assert.equal(toCents('1,234.50'), 123450);
  assert.equal(toCents(19.99), 1999);
  assert.throws(() => toCents('ten'), TypeError);
});

test('writes cents with separators and two digits', () => {
  assert.equal(formatCents(123450), '1,234.50');
  assert.equal(formatCents(-7), '-0.07');
  assert.equal(formatCents(100000000), '1,000,000.00');
});

test('splits an amount without losing a cent', () => {
  assert.deepEqual(splitIntoInstalments(1000, 3), [334, 333, 333]);
  assert.deepEqual(splitIntoInstalments(900, 3), [300, 300, 300]);
  assert.throws(() => splitIntoInstalments(900, 0), RangeError);
});
