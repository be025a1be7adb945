export { wrap } from './wrap.js';
export { align, truncate } from './align.js';
export { formatTable } from './table.js';
