import type { JsonValue, StoredEvent } from "../../event/event.ts";
import { diffLines } from "../../view/line-difference.ts";
import { toPlainText } from "../../view/plain-text.ts";
import { ClippedText } from "./clipped-text.tsx";
import { HunksView } from "./patch-view.tsx";

interface ToolContent {
  readonly type?: unknown;
  readonly content?: { readonly type?: unknown; readonly text?: unknown };
  readonly path?: unknown;
  readonly oldText?: unknown;
  readonly newText?: unknown;
}

type ToolEnded = Extract<StoredEvent, { readonly type: "tool.ended" }>;

function contentsOf(result: JsonValue | undefined): readonly ToolContent[] {
  const content = (result as { content?: unknown } | null | undefined)?.content;
  return Array.isArray(content)
    ? (content.filter((part) => typeof part === "object" && part !== null) as ToolContent[])
    : [];
}

/** Whether a tool's answer holds a change of files, which is worth a look without being asked for. */
export function holdsChange(result: JsonValue | undefined): boolean {
  return contentsOf(result).some(({ type }) => type === "diff");
}

/** What a tool got, as text where that is what it is. */
export function ToolArguments({ args }: { readonly args: JsonValue | undefined }) {
  if (args === undefined || args === null) return null;
  const command = (args as { command?: unknown }).command;
  if (typeof args === "string") return <ClippedText text={args} label="input" lines={20} />;
  if (typeof command === "string" && Object.keys(args).length === 1)
    return <ClippedText text={command} label="command" lines={20} />;
  return <ClippedText text={JSON.stringify(args, null, 2)} label="input" lines={20} />;
}

/** What a tool answered: texts, changes of files, and what else there is as JSON. */
export function ToolAnswer({ event, brief = false }: { readonly event: ToolEnded; readonly brief?: boolean }) {
  const { result } = event;
  const contents = contentsOf(result);
  const lines = brief ? 8 : 120;
  const rest =
    typeof result === "object" && result !== null && !Array.isArray(result)
      ? Object.fromEntries(Object.entries(result).filter(([name]) => name !== "content" && name !== "title"))
      : result;
  const hasRest = rest !== undefined && rest !== null && (typeof rest !== "object" || Object.keys(rest).length > 0);
  return (
    <>
      {contents.map((content) => {
        if (content.type === "diff" && typeof content.newText === "string") {
          const before = typeof content.oldText === "string" ? content.oldText : "";
          return (
            <div class="patch-file">
              <code class="file-head">{toPlainText(String(content.path ?? ""))}</code>
              <HunksView hunks={diffLines(before, content.newText)} limit={brief ? 16 : 200} />
            </div>
          );
        }
        const text = content.content?.text;
        // A change says more than the line above it, which already stands beside the title.
        if (brief && holdsChange(result)) return null;
        if (typeof text === "string") return <ClippedText text={text} lines={lines} />;
        return brief ? null : <ClippedText text={JSON.stringify(content, null, 2)} lines={lines} />;
      })}
      {!hasRest || brief ? null : (
        <ClippedText text={typeof rest === "string" ? rest : JSON.stringify(rest, null, 2)} label="output" />
      )}
    </>
  );
}
