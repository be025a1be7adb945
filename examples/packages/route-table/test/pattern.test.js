'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { compilePattern, matchPattern, parseQuery, formatQuery } = require('..');

test('matches literal segments', () => {
  assert.deepEqual(matchPattern(compilePattern('/about/team'), '/about/team/'), {});
  assert.equal(matchPattern(compilePattern('/about/team'), '/about'), null);
  assert.equal(matchPattern(compilePattern('/about'), '/about/team'), null);
});

test('reads and decodes parameters', () => {
  assert.deepEqual(matchPattern(compilePattern('/users/:id'), '/users/a%20b'), { id: 'a b' });
});

test('takes the rest of a path', () => {
  assert.deepEqual(matchPattern(compilePattern('/files/*'), '/files/a/b.txt'), { rest: 'a/b.txt' });
  assert.deepEqual(matchPattern(compilePattern('/files/*'), '/files'), { rest: '' });
});

test('parses queries with repeated names', () => {
  assert.deepEqual(parseQuery('?a=1&b=x+y&a=3'), { a: ['1', '3'], b: 'x y' });
  assert.deepEqual(parseQuery(''), {});
  assert.deepEqual(parseQuery('equation=a=b'), { equation: 'a=b' });
});

test('formats queries in alphabetical order', () => {
  assert.equal(formatQuery({ b: 'x y', a: ['1', '3'] }), 'a=1&a=3&b=x%20y');
});
