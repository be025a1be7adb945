/** One line of a file's change, with its number on each side where it has one. */
export interface PatchLine {
  readonly kind: "same" | "added" | "removed";
  readonly text: string;
  readonly oldLine?: number;
  readonly newLine?: number;
}

export interface PatchHunk {
  /** What stands behind the numbers, mostly the function. */
  readonly heading: string;
  readonly lines: readonly PatchLine[];
}

export interface PatchFile {
  readonly path: string;
  readonly status: "added" | "deleted" | "modified";
  readonly isBinary: boolean;
  readonly hunks: readonly PatchHunk[];
  readonly added: number;
  readonly removed: number;
  /** Its part of the patch, by which two changes are the same or not. */
  readonly source: string;
}

const HUNK = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)$/;

/** Reads a Git-style unified diff. What is no diff gives no files; a part that breaks off gives what there is of it. */
export function parsePatch(patch: string): PatchFile[] {
  const lines = patch.split("\n");
  const starts = lines.flatMap((line, at) => (line.startsWith("diff --git ") ? [at] : []));
  return starts.map((start, at) => parseFile(lines.slice(start, starts[at + 1] ?? lines.length)));
}

function parseFile(lines: readonly string[]): PatchFile {
  let path = "";
  let status: PatchFile["status"] = "modified";
  let isBinary = false;
  let added = 0;
  let removed = 0;
  const hunks: PatchHunk[] = [];
  let at = 1;
  for (; at < lines.length && !HUNK.test(lines[at] as string); at++) {
    const line = lines[at] as string;
    if (line.startsWith("new file mode")) status = "added";
    else if (line.startsWith("deleted file mode")) status = "deleted";
    else if (line.startsWith("Binary files")) isBinary = true;
    else if (line.startsWith("--- a/")) path ||= line.slice(6);
    else if (line.startsWith("+++ b/")) path = line.slice(6);
  }
  path ||= /^diff --git a\/(.*) b\/\1$/.exec(lines[0] ?? "")?.[1] ?? (lines[0] ?? "").slice(11);

  while (at < lines.length) {
    const header = HUNK.exec(lines[at] as string);
    at++;
    if (header === null) continue;
    let oldLine = Number(header[1]);
    let newLine = Number(header[3]);
    // The counts say where it ends: a removed line may itself look like the head of a file.
    let oldLeft = Number(header[2] ?? 1);
    let newLeft = Number(header[4] ?? 1);
    const hunk: PatchLine[] = [];
    for (; at < lines.length && (oldLeft > 0 || newLeft > 0); at++) {
      const line = lines[at] as string;
      const text = line.slice(1);
      if (line.startsWith("+")) {
        hunk.push({ kind: "added", text, newLine: newLine++ });
        newLeft--;
        added++;
      } else if (line.startsWith("-")) {
        hunk.push({ kind: "removed", text, oldLine: oldLine++ });
        oldLeft--;
        removed++;
      } else if (line.startsWith(" ") || line === "") {
        hunk.push({ kind: "same", text, oldLine: oldLine++, newLine: newLine++ });
        oldLeft--;
        newLeft--;
      } else if (!line.startsWith("\\")) break;
    }
    hunks.push({ heading: header[5] ?? "", lines: hunk });
  }
  return { path, status, isBinary, hunks, added, removed, source: lines.join("\n").trimEnd() };
}

/** One file in two changes of the same beginning. */
export interface ComparedFile {
  readonly path: string;
  readonly state: "same" | "left" | "right" | "differs";
  readonly left?: PatchFile;
  readonly right?: PatchFile;
}

/** How the files of two branches differ: each is given as its change against the same beginning. By path, those that are the same last. */
export function comparePatches(left: readonly PatchFile[], right: readonly PatchFile[]): ComparedFile[] {
  const leftFiles = new Map(left.map((file) => [file.path, file]));
  const rightFiles = new Map(right.map((file) => [file.path, file]));
  const files = [...new Set([...leftFiles.keys(), ...rightFiles.keys()])].sort().map((path): ComparedFile => {
    const one = leftFiles.get(path);
    const other = rightFiles.get(path);
    if (one === undefined || other === undefined) {
      return other === undefined
        ? { path, state: "left", ...(one === undefined ? {} : { left: one }) }
        : { path, state: "right", right: other };
    }
    return { path, state: one.source === other.source ? "same" : "differs", left: one, right: other };
  });
  return [...files.filter(({ state }) => state !== "same"), ...files.filter(({ state }) => state === "same")];
}
