import type { TestFailure, TestReport } from "./test-report.ts";

const RESULT = /^(\s*)(not ok|ok)\b(?:\s+\d+)?(?:\s+-)?\s*(.*)$/;

interface TapResult {
  readonly path: string;
  readonly passed: boolean;
  fields: Map<string, string>;
}

/**
 * Reads the Test Anything Protocol as `node --test` (nested, with YAML blocks) and tape (flat) write it.
 * Returns undefined where the text is no TAP.
 */
export function parseTap(text: string): TestReport | undefined {
  const results: TapResult[] = [];
  const names: string[] = [];
  const seen = new Map<string, number>();
  const summary = new Map<string, number>();
  const lines = text.split("\n");
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] as string;
    const subtest = /^(\s*)# Subtest: (.*)$/.exec(line);
    if (subtest) {
      const depth = Math.floor((subtest[1] as string).length / 4);
      names.length = depth;
      names[depth] = subtest[2] as string;
      continue;
    }
    const total = /^# (pass|fail|cancelled)\s+(\d+)\s*$/.exec(line);
    if (total) summary.set(total[1] as string, Number(total[2]));
    const match = RESULT.exec(line);
    if (!match) continue;
    const block = readBlock(lines, index + 1);
    index = block.end;
    if (/# (SKIP|TODO)\b/i.test(match[3] as string) || block.fields.get("type") === "suite") continue;
    const depth = Math.floor((match[1] as string).length / 4);
    const path = [...names.slice(0, depth), match[3]].join(" > ").trim() || "a test without a name";
    const times = (seen.get(path) ?? 0) + 1;
    seen.set(path, times);
    results.push({ path: times === 1 ? path : `${path} (${times})`, passed: match[2] === "ok", fields: block.fields });
  }
  if (results.length === 0 && summary.size === 0) return undefined;
  const failing = results.filter((result) => !result.passed);
  return {
    passed: summary.get("pass") ?? results.length - failing.length,
    failed: summary.has("fail") ? (summary.get("fail") ?? 0) + (summary.get("cancelled") ?? 0) : failing.length,
    counted: true,
    tests: new Map(results.map((result) => [result.path, result.passed])),
    // The parent of failing subtests fails with them and says nothing of its own.
    failures: failing.filter((result) => result.fields.get("failureType") !== "subtestsFailed").map(toFailure),
  };
}

function toFailure(result: TapResult): TestFailure {
  const { fields } = result;
  const location = /^(.*?):\d+:\d+$/.exec(fields.get("location") ?? "");
  const message = [fields.get("name"), fields.get("error") ?? fields.get("operator")].filter(Boolean).join(": ");
  return {
    name: result.path,
    message: `${message}\n${fields.get("stack") ?? fields.get("at") ?? ""}`.trim(),
    ...(fields.has("expected") ? { expected: fields.get("expected") as string } : {}),
    ...(fields.has("actual") ? { actual: fields.get("actual") as string } : {}),
    ...(location ? { file: location[1] as string } : {}),
  };
}

/** The YAML block after a result: enough of YAML for scalars, `|-` texts and nested values kept as text. */
function readBlock(lines: readonly string[], start: number): { fields: Map<string, string>; end: number } {
  const fields = new Map<string, string>();
  const open = /^(\s+)---\s*$/.exec(lines[start] ?? "");
  if (!open) return { fields, end: start - 1 };
  const indent = (open[1] as string).length;
  let key = "";
  let index = start + 1;
  for (; index < lines.length; index += 1) {
    const line = lines[index] as string;
    if (/^\s*\.\.\.\s*$/.test(line) && line.search(/\S/) === indent) break;
    const pair = line.search(/\S/) === indent ? /^\s*([\w-]+):\s?(.*)$/.exec(line) : null;
    if (pair) {
      key = pair[1] as string;
      const value = pair[2] as string;
      fields.set(key, /^[|>]-?$/.test(value) ? "" : value.replace(/^'(.*)'$/s, "$1"));
    } else if (key !== "") {
      fields.set(key, `${fields.get(key)}${fields.get(key) === "" ? "" : "\n"}${line.slice(indent + 2)}`);
    }
  }
  return { fields, end: index };
}
