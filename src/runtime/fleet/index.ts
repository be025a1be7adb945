/** Work for many machines: a queue of jobs, and workers that take them and go on where others died. */
export { openFleetQueue } from "./dbos/dbos-queue.ts";
/** @experimental */
export { explainJob } from "./explain-job.ts";
/** @experimental */
export type { JobProgress } from "./explain-job.ts";
export { createLocalQueue } from "./local-queue.ts";
/** @experimental */
export type {
  Job,
  JobFilter,
  JobState,
  JobStatus,
  NewJob,
  QueueLimits,
  RunQueue,
  TakeOptions,
  Taking,
  WorkerStatus,
} from "./run-queue.ts";
export { runWorker } from "./worker.ts";
/** @experimental */
export type { JobContext, JobDefinition, WorkerEnd, WorkerNote, WorkerOptions } from "./worker.ts";
/** @experimental */
export { WorkerFigures } from "./worker-figures.ts";
/** @experimental */
export { openWorkerServer } from "./worker-server.ts";
/** @experimental */
export type { WorkerServer, WorkerServerOptions } from "./worker-server.ts";
