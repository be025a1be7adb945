type Fields = Readonly<Record<string, unknown>>;

const isText = (value: unknown): boolean => typeof value === "string";
const isOptionalText = (value: unknown): boolean => value === undefined || typeof value === "string";
const isIndex = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isOptionalCount = (value: unknown): boolean =>
  value === undefined || (typeof value === "number" && value >= 0 && value < Number.POSITIVE_INFINITY);

function isUsage(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const { inputTokens, outputTokens, cachedTokens, costUsd } = value as Fields;
  return (
    isOptionalCount(inputTokens) &&
    isOptionalCount(outputTokens) &&
    isOptionalCount(cachedTokens) &&
    isOptionalCount(costUsd)
  );
}

const isRunStatus = (value: unknown): boolean =>
  value === "completed" || value === "failed" || value === "aborted" || value === "interrupted";

/** The events that every run and every iteration has: a schema costs more than the rest of their way. */
const QUICK: ReadonlyMap<string, (body: Fields) => boolean> = new Map<string, (body: Fields) => boolean>([
  [
    "run.started",
    ({ kind, task, continues }) =>
      (kind === "task" || kind === "loop") && task !== undefined && isOptionalText(continues),
  ],
  ["session.created", ({ backend, resumeToken }) => isText(backend) && isOptionalText(resumeToken)],
  ["backend.started", ({ backend }) => isText(backend)],
  ["backend.ended", ({ backend }) => isText(backend)],
  ["text.delta", ({ text }) => isText(text)],
  ["reasoning.delta", ({ text }) => isText(text)],
  ["usage.reported", (body) => isOptionalText(body.model) && isUsage(body)],
  ["custom", ({ name, data }) => isText(name) && data !== undefined],
  [
    "final",
    ({ status, reason, text, error, suppressed, usage, durationMs }) =>
      isRunStatus(status) &&
      isText(reason) &&
      isOptionalText(text) &&
      error === undefined &&
      suppressed === undefined &&
      isUsage(usage) &&
      Number.isFinite(durationMs),
  ],
  ["round.planned", ({ round, tasks }) => isIndex(round) && Array.isArray(tasks)],
  [
    "iteration.started",
    ({ index, round, iterationSessionId, agentRunName }) =>
      isIndex(index) && isIndex(round) && isText(iterationSessionId) && isText(agentRunName),
  ],
  ["iteration.ended", ({ index, status, usage }) => isIndex(index) && isRunStatus(status) && isUsage(usage)],
  [
    "verdict.given",
    ({ index, valid, score }) => isIndex(index) && typeof valid === "boolean" && Number.isFinite(score),
  ],
  ["decision.made", ({ round, decision }) => isIndex(round) && decision !== undefined],
  ["box.created", ({ boxId }) => isText(boxId)],
  ["box.continued", ({ boxId }) => isText(boxId)],
  ["box.deleted", ({ boxId }) => isText(boxId)],
]);

/**
 * True for a body of JSON that certainly has its shape. False says nothing: the schema then decides, and knows the words for what is wrong.
 */
export function hasQuickShape(type: string, body: object): boolean {
  return QUICK.get(type)?.(body as Fields) === true;
}
