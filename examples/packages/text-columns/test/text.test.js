import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { align, truncate, wrap } from '../lib/index.js';

describe('wrap', () => {
  it('breaks between words', () => {
    assert.deepEqual(wrap('the quick brown fox', 10), ['the quick', 'brown fox']);
  });

  it('fills a line to its last character', () => {
    assert.deepEqual(wrap('12345 7890', 10), ['12345 7890']);
  });

  it('cuts words that are too long', () => {
    assert.deepEqual(wrap('abcdefgh', 3), ['abc', 'def', 'gh']);
  });

  it('keeps paragraphs and empty lines', () => {
    assert.deepEqual(wrap('one\n\ntwo', 5), ['one', '', 'two']);
  });

  it('refuses a width of nothing', () => {
    assert.throws(() => wrap('x', 0), RangeError);
  });
});

describe('align', () => {
  it('pads on either side', () => {
    assert.equal(align('ab', 4), 'ab  ');
    assert.equal(align('ab', 4, 'right'), '  ab');
    assert.equal(align('abc', 2), 'abc');
  });

  it('centres in an even gap', () => {
    assert.equal(align('ab', 6, 'center'), '  ab  ');
  });

  it('centres in an odd gap', () => {
    assert.equal(align('ab', 5, 'center'), ' ab  ');
    assert.equal(align('a', 4, 'center'), ' a  ');
  });
});

describe('truncate', () => {
  it('leaves alone what fits', () => {
    assert.equal(truncate('abc', 3), 'abc');
  });

  it('uses the whole width', () => {
    assert.equal(truncate('abcdef', 4), 'abc…');
    assert.equal(truncate('abcdef', 2), 'a…');
  });

  it('leaves room for nothing but the mark', () => {
    assert.equal(truncate('abcdef', 1), '…');
    assert.equal(truncate('abcdef', 0), '');
  });
});
