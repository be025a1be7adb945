import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { BlobRef, StoredEvent, StoredEventOf } from "../../event/event.ts";
import { summarizeToolResult } from "../../view/activity.ts";
import { describeError, describeEvent } from "../../view/describe-event.ts";
import { describeReason } from "../../view/describe-reason.ts";
import { describeTask } from "../../view/describe-task.ts";
import { type EventBlock, readBlockText, tellsFailure } from "../../view/event-blocks.ts";
import { formatDuration, formatUsage } from "../../view/format-figures.ts";
import { parsePatch } from "../../view/parse-patch.ts";
import { toPlainLine } from "../../view/plain-text.ts";
import { request } from "../data/server.ts";
import { toHash } from "../shell/route.ts";
import { StatusLabel } from "../shell/status-label.tsx";
import { ClippedText } from "./clipped-text.tsx";
import { FailureDetail } from "./failure-card.tsx";
import { MarkdownView } from "./markdown-view.tsx";
import { PatchView } from "./patch-view.tsx";
import { holdsChange, ToolAnswer, ToolArguments } from "./tool-result.tsx";

const MAX_PROSE = 20_000;

export interface BlockViewProps {
  readonly block: EventBlock;
  /** Shows the block as it was when this event was stored. */
  readonly until: number;
  readonly isExpanded: boolean;
  readonly onToggle?: () => void;
}

/** A block as a person wants to read it. */
export function BlockView({ block, until, isExpanded, onToggle }: BlockViewProps) {
  const first = block.events[0] as StoredEvent;
  switch (first.type) {
    case "text.delta":
    case "reasoning.delta":
      return <Prose block={block} until={until} isExpanded={isExpanded} />;
    case "run.started":
      return (
        <div class="prompt">
          <p class="quiet">
            {first.kind === "loop" ? "loop" : "task"}
            {first.continues === undefined ? "" : ` · goes on after the interrupted run ${first.continues}`}
          </p>
          <MarkdownView text={describeTask(first.task).slice(0, MAX_PROSE)} />
        </div>
      );
    case "tool.started":
    case "tool.ended":
      return <Tool block={block} until={until} isExpanded={isExpanded} {...(onToggle ? { onToggle } : {})} />;
    case "plan.updated":
      return <Plan event={first} isExpanded={isExpanded} />;
    case "permission.requested":
    case "permission.answered":
      return <Permission block={block} until={until} />;
    case "artifact.created":
      return <Artifact event={first} />;
    case "backend.failed":
    case "box.delete-failed":
      return (
        <>
          <p>
            {first.type === "backend.failed"
              ? `the backend ${toPlainLine(first.backend)} failed`
              : describeEvent(first).text}
          </p>
          {first.error === undefined ? null : <FailureDetail error={first.error} />}
        </>
      );
    case "final":
      return <End event={first} isExpanded={isExpanded} />;
    case "custom":
      return isExpanded ? (
        <ClippedText text={JSON.stringify(first.data, null, 2)} label={toPlainLine(first.name)} />
      ) : (
        <p class="quiet one-line">{describeEvent(first).text}</p>
      );
    default:
      return <Step event={first} />;
  }
}

function Prose({ block, until, isExpanded }: { block: EventBlock; until: number; isExpanded: boolean }) {
  const text = readBlockText(block, until);
  const most = isExpanded ? MAX_PROSE * 10 : MAX_PROSE;
  return (
    <>
      <MarkdownView text={text.slice(0, most)} insideCode={block.continued === "code"} />
      {text.length <= most ? null : <ClippedText text={text.slice(most)} label="the rest" lines={3} />}
    </>
  );
}

function Tool({ block, until, isExpanded, onToggle }: Omit<BlockViewProps, "onToggle"> & { onToggle?: () => void }) {
  const started = block.events.find((event) => event.type === "tool.started");
  const ended = block.events.find((event) => event.type === "tool.ended" && event.seq <= until);
  const answer = ended?.type === "tool.ended" ? ended : undefined;
  const late = (answer?.result as { title?: unknown; args?: StoredEventOf<"tool.started">["args"] } | undefined) ?? {};
  const lateTitle = typeof late === "object" && typeof late.title === "string" ? late.title : undefined;
  const title = toPlainLine(
    lateTitle ?? (started?.type === "tool.started" ? (started.title ?? started.toolName) : (answer?.toolName ?? "")),
  );
  const status = answer?.status ?? "running";
  const summary = isExpanded ? "" : summarizeToolResult(answer?.result);
  const isBrief = !isExpanded && (status === "failed" || holdsChange(answer?.result));
  return (
    <div class="tool">
      <button type="button" class="tool-head" aria-expanded={isExpanded} onClick={onToggle}>
        <span class="tool-title">{title.slice(0, 500)}</span>
        {summary === "" ? null : <span class="tool-summary">{summary}</span>}
        <span class="tool-end">
          {started === undefined || answer === undefined ? null : (
            <span class="figure">{formatDuration(Math.max(0, answer.at - started.at))}</span>
          )}
          {status === "completed" ? null : <StatusLabel status={status} />}
        </span>
      </button>
      {isExpanded ? (
        <ToolArguments args={(started?.type === "tool.started" ? started.args : undefined) ?? late.args} />
      ) : null}
      {answer !== undefined && (isExpanded || isBrief) ? <ToolAnswer event={answer} brief={!isExpanded} /> : null}
      {isExpanded && answer === undefined ? <p class="quiet">No answer yet.</p> : null}
    </div>
  );
}

const PLAN_MARKS = { pending: "○", in_progress: "●", completed: "✓" } as const;

function Plan({ event, isExpanded }: { event: StoredEventOf<"plan.updated">; isExpanded: boolean }) {
  const done = event.entries.filter(({ status }) => status === "completed").length;
  const current = event.entries.find(({ status }) => status === "in_progress");
  return (
    <>
      <p class="one-line">
        <span class="figure">{`${done} of ${event.entries.length} done`}</span>
        {current === undefined ? "" : ` · now: ${toPlainLine(current.content)}`}
      </p>
      {!isExpanded ? null : (
        <ul class="plan">
          {event.entries.map(({ content, status }) => (
            <li class={`plan-${status}`}>
              <span aria-hidden="true">{PLAN_MARKS[status]}</span> {toPlainLine(content)}
              <span class="hidden-text">{` (${status.replace("_", " ")})`}</span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function Permission({ block, until }: { block: EventBlock; until: number }) {
  const asked = block.events.find((event) => event.type === "permission.requested");
  const answered = block.events.find((event) => event.type === "permission.answered" && event.seq <= until);
  const options = asked?.type === "permission.requested" ? asked.options : [];
  const answer =
    answered?.type !== "permission.answered"
      ? undefined
      : `${options.find(({ optionId }) => optionId === answered.optionId)?.name ?? answered.optionId ?? "cancelled"}, by ${answered.by}`;
  return (
    <>
      <p>{asked?.type === "permission.requested" ? toPlainLine(asked.title) : "a question that is not in this run"}</p>
      <p class="quiet">
        {answer === undefined
          ? `waits for an answer: ${options.map(({ name }) => toPlainLine(name)).join(", ")}`
          : `answered: ${toPlainLine(answer)}`}
      </p>
    </>
  );
}

const PATCH = "workspace.patch";

function Artifact({ event }: { event: StoredEventOf<"artifact.created"> }) {
  const { name, mimeType, content, blob, uri } = event;
  const details = [mimeType, uri, blob === undefined ? undefined : `${blob.size.toLocaleString("en-US")} bytes`];
  return (
    <>
      <p class="one-line">
        <code>{toPlainLine(name)}</code>{" "}
        <span class="quiet">{toPlainLine(details.filter((part) => part !== undefined).join(" · "))}</span>
      </p>
      {blob !== undefined ? (
        <BlobText blob={blob} isPatch={name === PATCH} />
      ) : content === undefined ? null : (
        <ArtifactText text={content} isPatch={name === PATCH} />
      )}
    </>
  );
}

function ArtifactText({ text, isPatch }: { text: string; isPatch: boolean }) {
  const files = isPatch ? parsePatch(text) : [];
  if (isPatch && text === "") return <p class="quiet">no change</p>;
  return files.length > 0 ? <PatchView files={files} /> : <ClippedText text={text} lines={24} />;
}

/** Shown as text whatever it is, and only a part of what is large. */
const MAX_BLOB = 2 * 1024 * 1024;

export async function readBlob(blob: BlobRef, signal?: AbortSignal): Promise<string> {
  const response = await request(`/api/blobs/${encodeURIComponent(blob.digest)}`, {
    accept: "*/*",
    ...(signal ? { signal } : {}),
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  return new TextDecoder().decode(bytes.subarray(0, MAX_BLOB));
}

function BlobText({ blob, isPatch }: { blob: BlobRef; isPatch: boolean }) {
  const [isWanted, setWanted] = useState(false);
  const [text, setText] = useState<string | Error | undefined>();
  useEffect(() => {
    if (!isWanted) return;
    const over = new AbortController();
    readBlob(blob, over.signal).then(setText, (error: unknown) => {
      if (!over.signal.aborted) setText(error instanceof Error ? error : new Error(String(error)));
    });
    return () => over.abort();
  }, [isWanted, blob.digest]);
  if (!isWanted)
    return (
      <button type="button" class="more" onClick={() => setWanted(true)}>
        show it
      </button>
    );
  if (text === undefined) return <p class="quiet">…</p>;
  if (text instanceof Error) return <p class="bad">{text.message}</p>;
  return <ArtifactText text={text} isPatch={isPatch} />;
}

function End({ event, isExpanded }: { event: StoredEventOf<"final">; isExpanded: boolean }) {
  const usage = formatUsage(event.usage);
  const reason = describeReason(event.reason, event.status);
  return (
    <>
      <p class="end-line">
        <StatusLabel status={event.status} />
        {reason === "" ? null : <span title={toPlainLine(event.reason)}>{reason}</span>}
        <span class="figure">{formatDuration(event.durationMs)}</span>
        {usage === "" ? null : <span class="figure">{usage}</span>}
      </p>
      {event.error === undefined ? null : <FailureDetail error={event.error} brief={!isExpanded} />}
      {(event.suppressed ?? []).map((error) => (
        <p class="quiet">{`and while cleaning up: ${describeError(error)}`}</p>
      ))}
    </>
  );
}

function Step({ event }: { event: StoredEvent }): ComponentChildren {
  const { text, sessionId } = describeEvent(event);
  if (event.type === "iteration.ended" && event.error !== undefined)
    return (
      <>
        <p>{text}</p>
        <FailureDetail error={event.error} />
      </>
    );
  return (
    <p class={event.type === "verdict.given" || event.type === "round.planned" ? "" : "quiet"}>
      {text}{" "}
      {sessionId === undefined ? null : <a href={toHash({ view: "session", id: sessionId, tab: "timeline" })}>open</a>}
    </p>
  );
}

/** The word in front of a block. */
export function labelOf(block: EventBlock): string {
  const first = block.events[0] as StoredEvent;
  switch (block.kind) {
    case "tool":
      return first.type === "tool.started" ? (first.kind === "execute" ? "run" : (first.kind ?? "tool")) : "tool";
    case "text":
      return block.continued === undefined ? "says" : "";
    case "thought":
      return block.continued === undefined ? "thinks" : "";
    case "permission":
      return "asks";
    case "step":
      return describeEvent(first).label;
    default:
      return block.kind;
  }
}

/** How a block looks from afar. */
export function toneOf(block: EventBlock, until: number): string {
  return tellsFailure(block, until) ? `${block.kind} fails` : block.kind;
}
