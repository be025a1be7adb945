import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeHours, parseHours } from '../lib/index.js';

test('reads one day', () => {
  assert.deepEqual(parseHours('tue 09:00-17:30'), [{ from: 1440 + 540, to: 1440 + 1050 }]);
});

test('reads a range of days', () => {
  assert.deepEqual(describeHours(parseHours('mon-wed 08:00-12:00')), [
    'mon 8:00 to 12:00',
    'tue 8:00 to 12:00',
    'wed 8:00 to 12:00',
  ]);
});

test('reads a range that goes past the end of the week', () => {
  assert.deepEqual(describeHours(parseHours('sun-mon 10:00-11:00')), ['mon 10:00 to 11:00', 'sun 10:00 to 11:00']);
});

test('reads a night that ends on the next day', () => {
  assert.deepEqual(describeHours(parseHours('sat 22:00-02:00')), ['sat 22:00 to sun 2:00']);
});

test('reads several rules in the order of the week', () => {
  const text = 'fri 18:00-20:30; mon 07:05-08:00;';
  assert.deepEqual(describeHours(parseHours(text)), ['mon 7:05 to 8:00', 'fri 18:00 to 20:30']);
});

test('refuses what it cannot read', () => {
  assert.throws(() => parseHours('monday 9-5'), SyntaxError);
  assert.throws(() => parseHours('xyz 09:00-17:00'), /Not a day: xyz/);
});
