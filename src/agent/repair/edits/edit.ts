/** The kinds of bug that an edit can undo. Hints from failing tests raise or lower whole kinds. */
export type EditKind =
  | "comparison"
  | "arithmetic"
  | "logic"
  | "negation"
  | "number"
  | "boundary"
  | "text"
  | "argument"
  | "swap"
  | "variable"
  | "await"
  | "return"
  | "throw"
  | "method"
  | "name"
  | "default"
  | "guard"
  | "copy"
  | "regex"
  | "control"
  | "removal";

/** One replacement in one source text, and how common such a bug is (`prior`, 0 to 1). */
export interface EditProposal {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly kind: EditKind;
  readonly prior: number;
  /** For a person, where the replaced text alone would say too little: `add await`. */
  readonly label?: string;
}

/** A proposal in its file, with what is needed to rank it, to show it and never to try it twice. */
export interface Edit extends EditProposal {
  readonly file: string;
  readonly line: number;
  /** End of the innermost function around it; absent at the top level of the file. */
  readonly functionEnd?: number;
  /** Names that the top-level statement around it declares; only at the top level of the file. */
  readonly declares?: readonly string[];
  /** The same for the same edit of the same line, wherever that line moves. */
  readonly key: string;
}

export function applyEdit(source: string, edit: EditProposal): string {
  return source.slice(0, edit.start) + edit.text + source.slice(edit.end);
}

/** `lib/range.js:12  < → <=` */
export function toEditTitle(edit: Edit, source: string): string {
  return `${edit.file}:${edit.line}  ${edit.label ?? `${toSnippet(source.slice(edit.start, edit.end))} → ${toSnippet(edit.text)}`}`;
}

function toSnippet(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  if (line === "") return "(nothing)";
  return line.length > 48 ? `${line.slice(0, 45)}…` : line;
}
