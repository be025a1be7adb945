'use strict';

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const BigNumber = require('..');

/** A number of `digits` digits that begins with `head` and ends with a one, so that none of its digits can be left out. */
function large(head, digits) {
  return new BigNumber(`${head}${'0'.repeat(digits - head.length - 1)}1`);
}

/** The root times itself is the number again, to the precision that is asked for. */
function assertIsRoot(root, number) {
  const error = root.times(root).minus(number).abs().div(number);
  assert.ok(error.lt('1e-20'), `sqrt(${number.toExponential(3)}) came out as ${root.toExponential(3)}`);
}

describe('sqrt of small numbers', () => {
  it('is exact for perfect squares', () => {
    for (const root of [0, 1, 2, 3, 12, 99, 1024]) assert.equal(new BigNumber(root * root).sqrt().toString(), String(root));
  });

  it('has twenty decimal places by default', () => {
    assert.equal(new BigNumber(2).sqrt().toString(), '1.4142135623730950488');
    assert.equal(new BigNumber('0.5').sqrt().toString(), '0.7071067811865475244');
  });

  it('is not a number below zero', () => {
    assert.ok(new BigNumber(-4).sqrt().isNaN());
    assert.ok(new BigNumber(NaN).sqrt().isNaN());
  });

  it('keeps infinity and zero', () => {
    assert.equal(new BigNumber(Infinity).sqrt().toString(), 'Infinity');
    assert.equal(new BigNumber(0).sqrt().toString(), '0');
  });

  it('rounds as it is told', () => {
    const Rounded = BigNumber.clone({ DECIMAL_PLACES: 2, ROUNDING_MODE: BigNumber.ROUND_UP });
    assert.equal(new Rounded(2).sqrt().toString(), '1.42');
    const Cut = BigNumber.clone({ DECIMAL_PLACES: 2, ROUNDING_MODE: BigNumber.ROUND_DOWN });
    assert.equal(new Cut(3).sqrt().toString(), '1.73');
  });
});

describe('sqrt beyond the range of a double', () => {
  it('takes the root of few digits with a large exponent', () => {
    assert.equal(new BigNumber('4e700').sqrt().toExponential(), '2e+350');
    assert.equal(new BigNumber('16e401').sqrt().times('1e-200').decimalPlaces(6).toString(), '12.649111');
  });

  it('takes the root of the very small', () => {
    const Fine = BigNumber.clone({ DECIMAL_PLACES: 400 });
    assert.equal(new Fine('4e-700').sqrt().toExponential(), '2e-350');
    assert.equal(new Fine('9e-702').sqrt().toExponential(), '3e-351');
    assert.equal(new Fine('1.6e-699').sqrt().toExponential(), '4e-350');
  });

  it('takes the root of as many digits as a double can hold', () => {
    for (const head of ['10', '19', '27', '36', '45', '58', '64', '73', '99']) {
      for (const digits of [299, 300]) assertIsRoot(large(head, digits).sqrt(), large(head, digits));
    }
  });

  it('takes the root of more digits than a double can hold, whatever the first of them are', () => {
    for (const digits of [321, 340]) {
      for (let head = 10; head < 100; head += 3) {
        const number = large(String(head), digits);
        assertIsRoot(number.sqrt(), number);
      }
    }
  });
});

describe('what the square root is made of', () => {
  it('multiplies and divides', () => {
    assert.equal(new BigNumber('123456789.5').times('8').toString(), '987654316');
    assert.equal(new BigNumber(1).div(3).toString(), '0.33333333333333333333');
    assert.equal(new BigNumber('1e30').div('1e10').toFixed(), '100000000000000000000');
  });

  it('works with hundreds of digits', () => {
    const number = large('7', 340);
    assert.equal(number.times(number).div(number).minus(number).toString(), '0');
    assert.ok(number.plus(1).gt(number) && number.minus(number.times(2)).abs().eq(number));
    assert.equal(number.div(3).toExponential(3), '2.333e+339');
    assert.ok(number.minus('1e339').div(number).lt('0.9'));
    assert.ok(new BigNumber('1e200').times('1e200').minus(number).abs().div(number).gt('1e-20'));
  });

  it('adds, subtracts and compares', () => {
    assert.equal(new BigNumber('0.1').plus('0.2').toString(), '0.3');
    assert.equal(new BigNumber('1e21').minus(1).toFixed(), '999999999999999999999');
    assert.ok(new BigNumber('10').gt('9.99'));
  });
});
