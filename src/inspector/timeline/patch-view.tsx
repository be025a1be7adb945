import { useState } from "preact/hooks";
import { toPlainText } from "../../view/plain-text.ts";
import type { PatchFile, PatchHunk, PatchLine } from "../../view/parse-patch.ts";

const MAX_LINES = 200;
const MARKS = { same: " ", added: "+", removed: "-" } as const;
const MAX_LINE = 2000;

function Line({ line }: { readonly line: PatchLine }) {
  const text = toPlainText(line.text);
  return (
    <div class={`change change-${line.kind}`}>
      <span class="change-number">{line.newLine ?? line.oldLine ?? ""}</span>
      <span class="change-mark">{MARKS[line.kind]}</span>
      <span class="change-text">{text.length > MAX_LINE ? `${text.slice(0, MAX_LINE)}…` : text}</span>
    </div>
  );
}

export function HunksView({
  hunks,
  limit = MAX_LINES,
}: {
  readonly hunks: readonly PatchHunk[];
  readonly limit?: number;
}) {
  const [most, setMost] = useState(limit);
  let left = most;
  const total = hunks.reduce((sum, { lines }) => sum + lines.length, 0);
  return (
    <div class="changes" tabIndex={0} role="region" aria-label="change">
      {hunks.map((hunk, at) => {
        const lines = hunk.lines.slice(0, Math.max(0, left));
        left -= hunk.lines.length;
        return lines.length === 0 ? null : (
          <>
            {at === 0 && hunk.heading === "" ? null : <div class="change-gap">{`⋯ ${toPlainText(hunk.heading)}`}</div>}
            {lines.map((line) => (
              <Line line={line} />
            ))}
          </>
        );
      })}
      {total <= most ? null : (
        <button type="button" class="more" onClick={() => setMost(most * 5)}>
          {`${(total - most).toLocaleString("en-US")} more lines`}
        </button>
      )}
    </div>
  );
}

export function FileHead({ file }: { readonly file: PatchFile }) {
  return (
    <span class="file-head">
      <code>{toPlainText(file.path)}</code>
      {file.status === "modified" ? null : <span class="tag">{file.status}</span>}
      {file.isBinary ? <span class="tag">binary</span> : null}
      <span class="plus">+{file.added}</span> <span class="minus">−{file.removed}</span>
    </span>
  );
}

/** The change of several files, each under its name. */
export function PatchView({ files }: { readonly files: readonly PatchFile[] }) {
  return (
    <div class="patch">
      {files.map((file) => (
        <div class="patch-file">
          <FileHead file={file} />
          <HunksView hunks={file.hunks} />
        </div>
      ))}
    </div>
  );
}
