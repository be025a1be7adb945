'use strict';

const { compareSpecificity, compilePattern, matchPattern } = require('./pattern');
const { parseQuery } = require('./query');

/** Finds the handler for a request: the most specific pattern wins, whatever the order of registration. */
class RouteTable {
  constructor() {
    this.routes = [];
  }

  add(method, pattern, handler) {
    const route = { method: method.toUpperCase(), compiled: compilePattern(pattern), handler };
    this.routes.push(route);
    this.routes.sort((one, other) => compareSpecificity(one.compiled, other.compiled));
    return this;
  }

  find(method, url) {
    const [path, search = ''] = url.split('?');
    for (const route of this.routes) {
      if (!this.accepts(route, method.toUpperCase())) continue;
      const parameters = matchPattern(path, route.compiled);
      if (parameters) return { handler: route.handler, parameters, query: parseQuery(search) };
    }
    return null;
  }

  /** The methods that a path answers to, for an Allow header. */
  allowedMethods(url) {
    const [path] = url.split('?');
    const methods = this.routes
      .filter((route) => matchPattern(route.compiled, path) !== null)
      .map((route) => route.method);
    return [...new Set(methods)].sort();
  }

  accepts(route, method) {
    return route.method === method || (route.method === 'GET' && method !== 'HEAD');
  }
}

module.exports = { RouteTable };
