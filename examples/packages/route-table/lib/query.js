'use strict';

/** "a=1&b=2&a=3" → { a: ['1', '3'], b: '2' } */
function parseQuery(text) {
  const query = {};
  for (const pair of text.replace(/^\?/, '').split('&')) {
    if (pair === '') continue;
    const [rawName, ...rest] = pair.split('=');
    const name = decode(rawName);
    const value = decode(rest.join('='));
    if (Object.hasOwn(query, name)) query[name] = value;
    else if (Array.isArray(query[name])) query[name].push(value);
    else query[name] = [query[name], value];
  }
  return query;
}

function decode(text) {
  return decodeURIComponent(text.replaceAll('+', ' '));
}

/** The reverse of parseQuery; names come in alphabetical order. */
function formatQuery(query) {
  return Object.keys(query)
    .sort()
    .flatMap((name) => [query[name]].flat().map((value) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`))
    .join('&');
}

module.exports = { parseQuery, formatQuery };
