import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Sheet, tokenize } from '../lib/index.js';

const calculate = (formula) => new Sheet().set('A1', `=${formula}`).value('A1');

describe('tokenize', () => {
  it('tells numbers, cells and operators apart', () => {
    assert.deepEqual(tokenize('B12 * 2.5'), [
      { kind: 'cell', name: 'B12' },
      { kind: 'operator', operator: '*' },
      { kind: 'number', value: 2.5 },
    ]);
  });

  it('refuses anything else', () => {
    assert.throws(() => tokenize('1 & 2'), /Unexpected character at 1/);
  });
});

describe('formulas', () => {
  it('adds and multiplies', () => {
    assert.equal(calculate('1 + 2 + 3'), 6);
    assert.equal(calculate('2 * 3'), 6);
  });

  it('subtracts', () => {
    assert.equal(calculate('9 - 4 - 3'), 2);
  });

  it('divides', () => {
    assert.equal(calculate('9 / 3'), 3);
  });

  it('multiplies before it adds', () => {
    assert.equal(calculate('2 + 3 * 4'), 14);
    assert.equal(calculate('2 * 3 + 4 * 5'), 26);
    assert.equal(calculate('20 - 6 / 3 - 1'), 17);
  });

  it('works out brackets first', () => {
    assert.equal(calculate('(2 + 3) * 4'), 20);
    assert.equal(calculate('2 * (3 + (4 - 1))'), 12);
  });

  it('knows signs', () => {
    assert.equal(calculate('-3 + 5'), 2);
    assert.equal(calculate('2 * -3'), -6);
  });

  it('misses no value', () => {
    assert.throws(() => calculate('2 +'), /missing/);
  });
});

describe('Sheet', () => {
  it('follows references', () => {
    const sheet = new Sheet().set('A1', 2).set('A2', '=A1 + 1').set('A3', '=A2 * A1');
    assert.equal(sheet.value('A3'), 6);
  });

  it('takes an empty cell for zero', () => {
    assert.equal(new Sheet().value('Z9'), 0);
  });

  it('names the cells of a cycle', () => {
    const sheet = new Sheet().set('A1', '=B1').set('B1', '=A1 + 1');
    assert.throws(() => sheet.value('A1'), /cycle: A1 → B1 → A1/);
  });
});
