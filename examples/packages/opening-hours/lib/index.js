export { parseHours } from './parse-hours.js';
export { isOpen, nextOpening } from './query.js';
export { describeHours } from './describe-hours.js';
