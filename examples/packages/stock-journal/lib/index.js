export { foldStock, stockAt } from './fold-stock.js';
export { createMovement } from './movement.js';
export { findShortages, summarizeByProduct } from './report.js';
