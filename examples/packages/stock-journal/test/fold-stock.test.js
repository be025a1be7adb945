import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMovement, foldStock, stockAt } from '../lib/index.js';

const journal = () => [
  createMovement({ at: 1, kind: 'receive', product: 'bolt', quantity: 100 }),
  createMovement({ at: 2, kind: 'ship', product: 'bolt', quantity: 30 }),
  createMovement({ at: 3, kind: 'receive', product: 'nut', quantity: 50, to: 'annex' }),
];

test('adds what comes in and subtracts what goes out', () => {
  assert.equal(foldStock(journal()).get('bolt').get('main'), 70);
  assert.equal(foldStock(journal()).get('nut').get('annex'), 50);
});

test('knows the level at any moment', () => {
  assert.equal(stockAt(journal(), 'bolt', 1), 100);
  assert.equal(stockAt(journal(), 'bolt', 2), 70);
  assert.equal(stockAt(journal(), 'bolt', 0), 0);
  assert.equal(stockAt(journal(), 'nut', 3, 'main'), 0);
});

test('lets a count overrule what was there', () => {
  const counted = createMovement({ at: 4, kind: 'count', product: 'bolt', quantity: 68 });
  assert.equal(stockAt([...journal(), counted], 'bolt', 4), 68);
});

test('moves between places without changing the sum', () => {
  const move = createMovement({ at: 4, kind: 'move', product: 'bolt', quantity: 20, from: 'main', to: 'annex' });
  const movements = [...journal(), move];
  assert.equal(stockAt(movements, 'bolt', 4, 'main'), 50);
  assert.equal(stockAt(movements, 'bolt', 4, 'annex'), 20);
  assert.equal(stockAt(movements, 'bolt', 4), 70);
});

test('takes movements in the order of time, whatever order they are given in', () => {
  const count = createMovement({ at: 5, kind: 'count', product: 'nut', quantity: 9 });
  const late = createMovement({ at: 6, kind: 'ship', product: 'nut', quantity: 4, from: 'main' });
  assert.equal(foldStock([late, count]).get('nut').get('main'), 5);
});

test("leaves the caller's list in its original order", () => {
  const movements = journal().reverse();
  foldStock(movements);
  assert.deepEqual(movements.map((movement) => movement.at), [3, 2, 1]);
});

test('refuses what is no movement', () => {
  assert.throws(() => createMovement({ at: 1, kind: 'lose', product: 'bolt', quantity: 1 }), /Unknown kind/);
  assert.throws(() => createMovement({ at: 1, kind: 'ship', product: 'bolt', quantity: -1 }), RangeError);
  assert.throws(() => createMovement({ at: 1, kind: 'move', product: 'bolt', quantity: 1, from: 'main' }), /goes to/);
});
