import type { Session, SessionStatus } from "../../store/session-store.ts";
import { formatAge } from "../../view/format-figures.ts";
import { toPlainLine } from "../../view/plain-text.ts";
import { renderTable } from "./render-table.ts";
import type { Style } from "./style.ts";

const COLUMNS = [
  { title: "session" },
  { title: "kind" },
  { title: "status" },
  { title: "age", align: "right" as const },
  { title: "events", align: "right" as const },
  { title: "title", shrink: true as const },
];

function colourStatus(status: SessionStatus, style: Style): string {
  switch (status) {
    case "completed":
      return style.green(status);
    case "failed":
      return style.red(status);
    case "aborted":
    case "interrupted":
      return style.yellow(status);
    default:
      return style.cyan(status);
  }
}

/** Sessions, one a row, in the order in which they are given. */
export function renderSessionTable(
  sessions: readonly { readonly session: Session; readonly title: string }[],
  style: Style,
  options: { readonly width: number; readonly now: number },
): string[] {
  const rows = sessions.map(({ session, title }) => [
    session.id,
    session.kind,
    colourStatus(session.status, style),
    formatAge(options.now - session.updatedAt),
    session.lastSeq.toLocaleString("en-US"),
    toPlainLine(title),
  ]);
  return renderTable(COLUMNS, rows, style, options.width);
}
