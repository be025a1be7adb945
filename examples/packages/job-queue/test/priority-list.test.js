import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PriorityList } from '../lib/index.js';

test('gives out the highest priority first', () => {
  const list = new PriorityList();
  list.add('low', 1);
  list.add('high', 9);
  list.add('middle', 5);
  assert.deepEqual([list.take(), list.take(), list.take(), list.take()], ['high', 'middle', 'low', undefined]);
});

test('keeps the order of equals', () => {
  const list = new PriorityList();
  for (const name of ['a', 'b', 'c']) list.add(name);
  assert.deepEqual([list.take(), list.take(), list.take()], ['a', 'b', 'c']);
});

test('removes by predicate and says how many', () => {
  const list = new PriorityList();
  for (const name of ['a', 'b', 'a']) list.add(name);
  assert.equal(list.remove((name) => name === 'a'), 2);
  assert.equal(list.size, 1);
});
