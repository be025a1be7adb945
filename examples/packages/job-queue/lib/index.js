export { JobQueue } from './job-queue.js';
export { PriorityList } from './priority-list.js';
export { runWithRetries } from './run-with-retries.js';
