/**
 * Skein: durable runs of agents, and loops over the boxes they work in.
 *
 * @packageDocumentation
 */
/** @stable */
/** @stable */
export {
  AbortError,
  BackendError,
  ERROR_CODES,
  FencedError,
  SandboxError,
  SkeinError,
  StoreError,
  ValidationError,
} from "./errors.ts";
/** What an error may carry, and which codes there are. @stable */
export type { ErrorCode, ErrorKind, SkeinErrorOptions } from "./errors.ts";

/** The words of the log: what an event says, and what stands in it. @stable */
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
/** @stable */
export { createRunState, foldEvent, foldRun } from "./event/fold-run.ts";
/** What a run looks like after some of its events. @stable */
export type { ArtifactState, PermissionState, RunState, ToolState } from "./event/fold-run.ts";
/** @stable */
export { parseEventBody, parseStoredEvent } from "./event/parse-event.ts";
/** @stable */
export { createRedactor } from "./event/redaction/redactor.ts";
/** What a redactor is made of. @stable */
export type { Redaction, Redactor, RedactorOptions } from "./event/redaction/redactor.ts";
/** What a redactor is made of. @stable */
export type { KnownSecret } from "./event/redaction/secret-matcher.ts";
/** @stable */
export { addUsage } from "./event/usage.ts";

/** Which agent a box starts. @stable */
export type { AgentCommand, AgentDescription, AgentProfile, SessionInfo } from "./agent/agent.ts";
/** The port of what executes a run, and what it is given. @stable */
export type { Backend, BackendContext, BackendInput, TaskSpec } from "./backend/backend.ts";

/** The port of the log, and what its methods take and give. @stable */
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
/** @stable */
export { exportSession, importSession } from "./store/session-file.ts";
/** @stable */
export type { ImportSessionOptions } from "./store/session-file.ts";
/** @stable */
export { openMemoryStore } from "./store/memory/index.ts";

/** @stable */
export { probeSandboxCapabilities } from "./sandbox/capabilities.ts";
/** What a sandbox has shown that it can do. @stable */
export type { SandboxCapabilities } from "./sandbox/capabilities.ts";
/** The port of the boxes, and what its methods take and give. @stable */
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
  ResumeTurnOptions,
  SandboxClient,
} from "./sandbox/sandbox.ts";
/** Servers whose tools an agent is given. @experimental */
export type { McpServer } from "./agent/mcp-servers.ts";
/** Which questions of an agent are answered, and which wait for a person. @experimental */
export type { PermissionPolicy, PermissionRules } from "./agent/permission-rules.ts";
/** What a model costs. @experimental */
export type { ModelPrice, ModelPrices } from "./event/model-price.ts";
/** What the model calls of a turn are held to. @experimental */
export type { CallAllowance } from "./sandbox/box-gateway.ts";

/** @stable */
export { runTask, streamTask } from "./stream/stream-task.ts";
/** What a run is given, and how it ended. @stable */
export type { RunResult, StreamTaskOptions } from "./stream/stream-options.ts";

/** Who descends from whom among boxes, and who owns them. @experimental */
export type { Branch, CheckpointOutcome, Place } from "./lineage/branch.ts";
/** @experimental */
export type { RetryTiming } from "./lineage/retry-creation.ts";
/** @experimental */
export { createSandboxLineage } from "./lineage/sandbox-lineage.ts";
/** Who descends from whom among boxes, and who owns them. @experimental */
export type {
  ForkOptions,
  LineageEventBody,
  SandboxLineage,
  SandboxLineageOptions,
  StartOptions,
} from "./lineage/sandbox-lineage.ts";

/** @stable */
export { beam } from "./loop/drivers/beam.ts";
/** The policies of loops that come with the package. @stable */
export type { BeamOptions } from "./loop/drivers/beam.ts";
/** @stable */
export { dynamic } from "./loop/drivers/dynamic.ts";
/** The policies of loops that come with the package. @stable */
export type { DynamicOptions, Move, PlannerContext } from "./loop/drivers/dynamic.ts";
/** @stable */
export { fanout } from "./loop/drivers/fanout.ts";
/** The policies of loops that come with the package. @stable */
export type { FanoutOptions } from "./loop/drivers/fanout.ts";
/** @stable */
export { fanoutVote } from "./loop/drivers/fanout-vote.ts";
/** The policies of loops that come with the package. @stable */
export type { FanoutVoteOptions, Judge } from "./loop/drivers/fanout-vote.ts";
/** @stable */
export { race } from "./loop/drivers/race.ts";
/** @stable */
export { randomK } from "./loop/drivers/random-k.ts";
/** @stable */
export { refine } from "./loop/drivers/refine.ts";
/** The policies of loops that come with the package. @stable */
export type { RefineOptions } from "./loop/drivers/refine.ts";
/** @stable */
export { forkLoop } from "./loop/fork-loop.ts";
/** What a loop is made of, and what it gives back. @stable */
export type { ForkLoopOptions } from "./loop/fork-loop.ts";
/** What a loop is made of, and what it gives back. @stable */
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
/** @stable */
export { workspacePatch } from "./loop/outputs/workspace-patch.ts";
/** What a loop is made of, and what it gives back. @stable */
export type { WorkspacePatch } from "./loop/outputs/workspace-patch.ts";
/** @stable */
export { runLoop } from "./loop/run-loop.ts";
/** @stable */
export { selectWinner } from "./loop/select-winner.ts";
/** @stable */
export { jsonSchema } from "./loop/validators/json-schema.ts";
/** What a loop is made of, and what it gives back. @stable */
export type { JsonSchemaOptions } from "./loop/validators/json-schema.ts";
/** @stable */
export { modelJudge } from "./loop/validators/model-judge.ts";
/** What a loop is made of, and what it gives back. @stable */
export type { JudgeModel, ModelJudgeOptions } from "./loop/validators/model-judge.ts";
/** @stable */
export { reportUsage } from "./loop/usage-report.ts";
/** What a loop is made of, and what it gives back. @stable */
export type { UsageReport } from "./loop/usage-report.ts";
/** @stable */
export { testsPass } from "./loop/validators/tests-pass.ts";
/** What a loop is made of, and what it gives back. @stable */
export type { TestsPassOptions } from "./loop/validators/tests-pass.ts";
/** @stable */
export { weighted } from "./loop/validators/weighted.ts";
/** What a loop is made of, and what it gives back. @stable */
export type { WeightedPart } from "./loop/validators/weighted.ts";
/** @stable */
export { withTimeLimit } from "./loop/validators/with-time-limit.ts";

/** @stable */
export { mapWithConcurrency } from "./internal/map-with-concurrency.ts";
