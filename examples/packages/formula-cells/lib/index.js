export { Sheet } from './sheet.js';
export { tokenize } from './tokenize.js';
export { evaluate } from './evaluate.js';
