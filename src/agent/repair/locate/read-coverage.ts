import { readFile, readdir } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** One function as V8 reports it: `[start, end, count]`, the function itself first, then the blocks inside it. */
export type CoveredFunction = readonly (readonly [start: number, end: number, count: number])[];

/** What one test executed, by file relative to the package. */
export interface TestCoverage {
  /** The test's full name; absent for what ran while the file was loading. */
  readonly test?: string;
  readonly files: ReadonlyMap<string, readonly CoveredFunction[]>;
}

interface RawScript {
  readonly url: string;
  readonly functions: readonly {
    readonly ranges: readonly { startOffset: number; endOffset: number; count: number }[];
  }[];
}

/** Reads what the coverage recorder wrote: one line for each test. A line cut short by a kill is passed over. */
export async function readRecordedCoverage(file: string, root: string): Promise<TestCoverage[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  const coverages: TestCoverage[] = [];
  for (const line of text.split("\n")) {
    if (line === "") continue;
    try {
      const { test, scripts } = JSON.parse(line) as { test?: string; scripts: RawScript[] };
      coverages.push({ ...(test === undefined ? {} : { test }), files: toFiles(scripts, root) });
    } catch {
      continue;
    }
  }
  return coverages;
}

/** Reads a `NODE_V8_COVERAGE` directory: all processes of one run together, without telling tests apart. */
export async function readRunCoverage(directory: string, root: string): Promise<TestCoverage> {
  const files = new Map<string, CoveredFunction[]>();
  for (const name of await readdir(directory).catch(() => [])) {
    try {
      const { result } = JSON.parse(await readFile(join(directory, name), "utf8")) as { result: RawScript[] };
      for (const [file, functions] of toFiles(result, root))
        files.set(file, [...(files.get(file) ?? []), ...functions]);
    } catch {
      continue;
    }
  }
  return { files };
}

function toFiles(scripts: readonly RawScript[], root: string): Map<string, CoveredFunction[]> {
  const files = new Map<string, CoveredFunction[]>();
  for (const script of scripts) {
    if (!script.url.startsWith("file://")) continue;
    const path = relative(root, fileURLToPath(script.url)).split(sep).join("/");
    if (path.startsWith("..") || path.includes("node_modules/")) continue;
    const functions = script.functions.map(({ ranges }) =>
      ranges.map((range) => [range.startOffset, range.endOffset, range.count] as const),
    );
    files.set(path, [...(files.get(path) ?? []), ...functions]);
  }
  return files;
}

/**
 * Whether the code at `offset` ran. `functionEnd` is the end of the innermost function around it in the syntax tree:
 * V8 leaves a function that was not called out of its report, so the one around it must not answer in its place.
 */
export function isExecuted(
  functions: readonly CoveredFunction[],
  offset: number,
  functionEnd: number | undefined,
): boolean {
  return functions.some((ranges) => {
    const [whole, ...blocks] = ranges;
    if (whole === undefined || offset < whole[0] || offset >= whole[1]) return false;
    if (functionEnd !== undefined && Math.abs(whole[1] - functionEnd) > 1) return false;
    let innermost = whole;
    for (const block of blocks) {
      if (offset >= block[0] && offset < block[1] && block[1] - block[0] <= innermost[1] - innermost[0])
        innermost = block;
    }
    return innermost[2] > 0;
  });
}
