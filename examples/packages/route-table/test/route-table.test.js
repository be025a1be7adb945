'use strict';

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const { RouteTable } = require('..');

const table = new RouteTable()
  .add('get', '/users/:id', 'show user')
  .add('post', '/users', 'create user')
  .add('get', '/users/me', 'show myself')
  .add('delete', '/users/:id', 'delete user')
  .add('get', '/*', 'fallback');

describe('RouteTable', () => {
  it('finds a route with its parameters and query', () => {
    const found = table.find('GET', '/users/42?tab=posts');
    assert.deepEqual(found, { handler: 'show user', parameters: { id: '42' }, query: { tab: 'posts' } });
  });

  it('prefers the most specific pattern', () => {
    assert.equal(table.find('GET', '/users/me').handler, 'show myself');
    assert.equal(table.find('GET', '/elsewhere/deep').handler, 'fallback');
  });

  it('tells methods apart', () => {
    assert.equal(table.find('DELETE', '/users/42').handler, 'delete user');
    assert.equal(table.find('post', '/users').handler, 'create user');
    assert.equal(table.find('PUT', '/users/42'), null);
  });

  it('answers HEAD like GET', () => {
    assert.equal(table.find('HEAD', '/users/42').handler, 'show user');
  });

  it('lists the methods of a path', () => {
    assert.deepEqual(table.allowedMethods('/users/42?x=1'), ['DELETE', 'GET']);
    assert.deepEqual(table.allowedMethods('/users'), ['GET', 'POST']);
  });
});
