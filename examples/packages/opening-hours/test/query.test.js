import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOpen, nextOpening } from '../lib/index.js';

const office = [{ from: 540, to: 1020 }, { from: 1980, to: 2460 }];
const club = [{ from: 6 * 1440 + 1320, to: 7 * 1440 + 120 }];

test('is open between the times', () => {
  assert.equal(isOpen(office, 'mon', 12), true);
  assert.equal(isOpen(office, 'mon', 8, 59), false);
  assert.equal(isOpen(office, 'wed', 12), false);
});

test('opens at the first minute', () => {
  assert.equal(isOpen(office, 'mon', 9, 0), true);
});

test('is closed at the last minute', () => {
  assert.equal(isOpen(office, 'mon', 16, 59), true);
  assert.equal(isOpen(office, 'mon', 17, 0), false);
});

test('stays open past the end of the week', () => {
  assert.equal(isOpen(club, 'sun', 23), true);
  assert.equal(isOpen(club, 'mon', 1), true);
  assert.equal(isOpen(club, 'mon', 3), false);
});

test('finds the next opening', () => {
  assert.deepEqual(nextOpening(office, 'mon', 18), { day: 'tue', hour: 9, minute: 0, wait: 900 });
  assert.deepEqual(nextOpening(office, 'fri', 9), { day: 'mon', hour: 9, minute: 0, wait: 3 * 1440 });
  assert.equal(nextOpening([], 'mon', 0), null);
});

test('looks no further than it is told', () => {
  assert.equal(nextOpening(office, 'mon', 18, 0, { within: 60 }), null);
  assert.deepEqual(nextOpening(office, 'mon', 8, 0, { within: 60 }), { day: 'mon', hour: 9, minute: 0, wait: 60 });
});

test('takes a limit of zero at its word', () => {
  assert.equal(nextOpening(office, 'mon', 18, 0, { within: 0 }), null);
  assert.deepEqual(nextOpening(office, 'mon', 9, 0, { within: 0 }), { day: 'mon', hour: 9, minute: 0, wait: 0 });
});
