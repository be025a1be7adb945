'use strict';

const { RouteTable } = require('./route-table');
const { compilePattern, matchPattern } = require('./pattern');
const { parseQuery, formatQuery } = require('./query');

module.exports = { RouteTable, compilePattern, matchPattern, parseQuery, formatQuery };
