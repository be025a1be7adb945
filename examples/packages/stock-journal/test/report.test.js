import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMovement, findShortages, summarizeByProduct } from '../lib/index.js';

const movements = [
  createMovement({ at: 1, kind: 'receive', product: 'bolt', quantity: 10 }),
  createMovement({ at: 2, kind: 'ship', product: 'bolt', quantity: 4 }),
  createMovement({ at: 3, kind: 'receive', product: 'nut', quantity: 3 }),
];

test('finds shortages, the worst first', () => {
  assert.deepEqual(findShortages(movements, { bolt: 8, nut: 3, washer: 5 }), [
    { product: 'washer', level: 0, missing: 5 },
    { product: 'bolt', level: 6, missing: 2 },
  ]);
});

test('finds no shortage where there is enough', () => {
  assert.deepEqual(findShortages(movements, { bolt: 6 }), []);
});

test('sums up what came in and went out', () => {
  assert.deepEqual(summarizeByProduct(movements), {
    bolt: { received: 10, shipped: 4 },
    nut: { received: 3, shipped: 0 },
  });
});

test('sums up nothing as nothing', () => {
  assert.deepEqual(summarizeByProduct([]), {});
});
