/**
 * Skein: durable runs of agents, and loops over the boxes they work in.
 *
 * @packageDocumentation
 */
export { AbortError, BackendError, ERROR_CODES, FencedError, SandboxError, SkeinError, StoreError, ValidationError } from "./errors.ts";
export type { ErrorCode, ErrorKind, SkeinErrorOptions } from "./errors.ts";

export type {
  BackendEventBody,
  BlobRef,
  BoxEvent,
  Envelope,
  ErrorDetail,
  EventBody,
  EventType,
  FinalBody,
  ForkMode,
  JsonValue,
  LoopEventBody,
  LoopLimits,
  PermissionOption,
  PlanEntry,
  RunStartedBody,
  RunStatus,
  StoredEvent,
  StoredEventOf,
  StreamEventBody,
  ToolKind,
  ToolStatus,
  TurnMark,
  Usage,
} from "./event/event.ts";
export { createRunState, foldEvent, foldRun } from "./event/fold-run.ts";
export type { ArtifactState, PermissionState, RunState, ToolState } from "./event/fold-run.ts";
export { parseEventBody, parseStoredEvent } from "./event/parse-event.ts";
export { createRedactor } from "./event/redaction/redactor.ts";
export type { Redaction, Redactor, RedactorOptions } from "./event/redaction/redactor.ts";
export type { KnownSecret } from "./event/redaction/secret-matcher.ts";
export { addUsage } from "./event/usage.ts";

export type { AgentCommand, AgentProfile, SessionInfo } from "./agent/agent.ts";
export type { Backend, BackendContext, BackendInput, TaskSpec } from "./backend/backend.ts";

export type {
  AppendBody,
  ImportedRecord,
  ImportedSession,
  NewSession,
  OpenStoreOptions,
  OpenWriterOptions,
  PruneFilter,
  PruneReport,
  ReadOptions,
  RecoveredRun,
  Session,
  SessionFilter,
  SessionStatus,
  SessionStore,
  SessionWriter,
  StoreCapabilities,
  TailOptions,
} from "./store/session-store.ts";
export { exportSession, importSession } from "./store/session-file.ts";
export type { ImportSessionOptions } from "./store/session-file.ts";
export { openMemoryStore } from "./store/memory/index.ts";

export { probeSandboxCapabilities } from "./sandbox/capabilities.ts";
export type { SandboxCapabilities } from "./sandbox/capabilities.ts";
export type {
  Box,
  BoxFile,
  BoxInfo,
  BoxLimits,
  CheckpointInfo,
  CheckpointMode,
  CheckpointOptions,
  CreateBoxOptions,
  CriuStatus,
  ExecOptions,
  ExecResult,
  ForkBoxOptions,
  ForkStatus,
  Labels,
  PromptOptions,
  SandboxClient,
} from "./sandbox/sandbox.ts";

export { runTask, streamTask } from "./stream/stream-task.ts";
export type { RunResult, StreamTaskOptions } from "./stream/stream-options.ts";

export type { Branch, CheckpointOutcome, Place } from "./lineage/branch.ts";
export { createSandboxLineage } from "./lineage/sandbox-lineage.ts";
export type { ForkOptions, SandboxLineage, SandboxLineageOptions, StartOptions } from "./lineage/sandbox-lineage.ts";

export { beam } from "./loop/drivers/beam.ts";
export type { BeamOptions } from "./loop/drivers/beam.ts";
export { dynamic } from "./loop/drivers/dynamic.ts";
export type { DynamicOptions, Move, PlannerContext } from "./loop/drivers/dynamic.ts";
export { fanout } from "./loop/drivers/fanout.ts";
export type { FanoutOptions } from "./loop/drivers/fanout.ts";
export { fanoutVote } from "./loop/drivers/fanout-vote.ts";
export type { FanoutVoteOptions, Judge } from "./loop/drivers/fanout-vote.ts";
export { race } from "./loop/drivers/race.ts";
export { randomK } from "./loop/drivers/random-k.ts";
export { refine } from "./loop/drivers/refine.ts";
export type { RefineOptions } from "./loop/drivers/refine.ts";
export { forkLoop } from "./loop/fork-loop.ts";
export type { ForkLoopOptions } from "./loop/fork-loop.ts";
export type {
  AgentRunSpec,
  Driver,
  Iteration,
  LoopBudget,
  LoopLineageOptions,
  LoopResult,
  LoopWinner,
  OutputAdapter,
  Plan,
  RunLoopOptions,
  Validator,
  ValidatorContext,
  Verdict,
} from "./loop/loop-types.ts";
export { workspacePatch } from "./loop/outputs/workspace-patch.ts";
export type { WorkspacePatch } from "./loop/outputs/workspace-patch.ts";
export { runLoop } from "./loop/run-loop.ts";
export { selectWinner } from "./loop/select-winner.ts";
export { jsonSchema } from "./loop/validators/json-schema.ts";
export type { JsonSchemaOptions } from "./loop/validators/json-schema.ts";
export { modelJudge } from "./loop/validators/model-judge.ts";
export type { JudgeModel, ModelJudgeOptions } from "./loop/validators/model-judge.ts";
export { reportUsage } from "./loop/usage-report.ts";
export type { UsageReport } from "./loop/usage-report.ts";
export { testsPass } from "./loop/validators/tests-pass.ts";
export type { TestsPassOptions } from "./loop/validators/tests-pass.ts";
export { weighted } from "./loop/validators/weighted.ts";
export type { WeightedPart } from "./loop/validators/weighted.ts";
export { withTimeLimit } from "./loop/validators/with-time-limit.ts";

export { mapWithConcurrency } from "./internal/map-with-concurrency.ts";
