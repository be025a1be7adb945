// Which test files have a test for which law, read from the titles, and docs/laws.md with these lists filled in.
// Run as a program it rewrites the page.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, posix, sep } from "node:path";
import { pathToFileURL } from "node:url";

const PAGE = "docs/laws.md";
const TITLE =
  /(?:\b(?:it|test)\b[\w.]*(?:\([^()]*(?:\([^()]*\))?[^()]*\))?\(|\btitle:|\bname:)\s*["'`]((?:[LKB]\d+(?:, | and |\/)?)+): /g;

function sources(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name).split(sep).join(posix.sep))
    .filter((path) => path.endsWith(".test.ts") || (path.startsWith("src/testing/") && path.endsWith(".ts")));
}

/** Law → the files with a test for it, sorted. */
export function lawTests() {
  const found = new Map();
  for (const path of [...sources("src"), ...sources("test")].sort()) {
    for (const [, numbers] of readFileSync(path, "utf8").matchAll(TITLE)) {
      for (const law of numbers.match(/[LKB]\d+/g)) {
        if (!found.has(law)) found.set(law, new Set());
        found.get(law).add(path);
      }
    }
  }
  return found;
}

/** The page as it should be. */
export function withLawTests(page) {
  const found = lawTests();
  return page.replace(/<!-- tests:([LKB]\d+) -->\n(?:(?:Tests: .*|No test yet\.)\n)?/g, (_, law) => {
    const links = [...(found.get(law) ?? [])].map((path) => `[${path}](../${path})`);
    return `<!-- tests:${law} -->\n${links.length === 0 ? "No test yet." : `Tests: ${links.join(", ")}`}\n`;
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
  writeFileSync(PAGE, withLawTests(readFileSync(PAGE, "utf8")));
