'use strict';

/** Splits "/users/:id/*" into its segments; the first and last slash do not count. */
function splitPath(path) {
  return path.split('/').filter((segment) => segment !== '');
}

/** Turns a pattern into segments that can be compared; `weight` puts literal segments before parameters. */
function compilePattern(pattern) {
  const segments = splitPath(pattern).map((text) => {
    if (text === '*') return { kind: 'rest', weight: 0 };
    if (text.startsWith(':')) return { kind: 'parameter', name: text.slice(1), weight: 1 };
    return { kind: 'literal', text, weight: 2 };
  });
  return { pattern, segments };
}

/** The parameters of `path` if it matches, otherwise null. */
function matchPattern(compiled, path) {
  const parts = splitPath(path);
  const parameters = {};
  for (const [index, segment] of compiled.segments.entries()) {
    if (segment.kind === 'rest') {
      parameters.rest = parts.slice(index).map(decodeURIComponent).join('/');
      return parameters;
    }
    const part = parts[index];
    if (part === undefined) return null;
    if (segment.kind === 'literal' && segment.text !== part) return null;
    if (segment.kind === 'parameter') parameters[segment.name] = decodeURIComponent(part);
  }
  return parts.length === compiled.segments.length ? parameters : null;
}

/** Orders patterns from the most to the least specific. */
function compareSpecificity(one, other) {
  const length = Math.max(one.segments.length, other.segments.length);
  for (let index = 0; index < length; index += 1) {
    const difference = (other.segments[index]?.weight ?? -1) - (one.segments[index]?.weight ?? -1);
    if (difference !== 0) return difference;
  }
  return 0;
}

module.exports = { compilePattern, matchPattern, compareSpecificity };
