import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";

const SKIPPED_FOLDERS = /^(node_modules|coverage|bower_components|\..*)$/;
const TEST_FOLDER = /^(tests?|__tests__|specs?|__mocks__|fixtures?|e2e|benchmarks?|bench)$/i;
const TEST_FILE =
  /(^tests?\.[cm]?js$)|([._-](test|tests|spec)\.[cm]?js$)|(^test[-_.])|(\.config\.[cm]?js$)|(^Gruntfile|^gulpfile)/i;
const LIMIT_BYTES = 300_000;
const LIMIT_FILES = 400;

/** True for files that say what is right: those are never edited. */
export function isTestFile(path: string): boolean {
  const parts = path.split("/");
  const name = parts.pop() as string;
  return TEST_FILE.test(name) || parts.some((part) => TEST_FOLDER.test(part));
}

/**
 * The package's own JavaScript, by path relative to its root, the tests not included.
 * Neither symbolic links nor minified files are followed: an edit of either is none of this package.
 */
export async function listSources(root: string): Promise<Map<string, string>> {
  const sources = new Map<string, string>();
  const visit = async (folder: string): Promise<void> => {
    const entries = await readdir(join(root, folder), { withFileTypes: true });
    for (const entry of entries.toSorted((one, other) => (one.name < other.name ? -1 : 1))) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory() && !SKIPPED_FOLDERS.test(entry.name) && !TEST_FOLDER.test(entry.name)) await visit(path);
      if (!entry.isFile() || !/\.[cm]?js$/.test(entry.name) || isTestFile(path) || sources.size >= LIMIT_FILES)
        continue;
      if (/\.min\.[cm]?js$/.test(entry.name) || (await stat(join(root, path))).size > LIMIT_BYTES) continue;
      const source = await readFile(join(root, path), "utf8");
      if (source.length / (source.split("\n").length + 1) < 400) sources.set(path, source);
    }
  };
  await visit("");
  return sources;
}
