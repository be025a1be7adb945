import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTable } from '../lib/index.js';

const columns = [
  { key: 'name', title: 'Name' },
  { key: 'count', title: 'Count', align: 'right' },
];

test('lays out a table', () => {
  const text = formatTable([{ name: 'apples', count: 7 }, { name: 'figs', count: 12 }], columns);
  assert.equal(text, ['Name   | Count', '-------+------', 'apples |     7', 'figs   |    12'].join('\n'));
});

test('leaves the place of a missing value empty', () => {
  const text = formatTable([{ name: 'apples' }], columns);
  assert.equal(text.split('\n')[2], 'apples |');
});

test('runs long cells over several lines', () => {
  const text = formatTable(
    [{ name: 'a tall glass of water', count: 1 }],
    [{ ...columns[0], maxWidth: 8 }, columns[1]],
    { overflow: 'wrap' },
  );
  assert.deepEqual(text.split('\n').slice(2), ['a tall   |     1', 'glass of |', 'water    |']);
});
