import { relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** The package's own places in stack traces, as `file:line`, relative to its root. */
export function readFrames(output: string, root: string): Set<string> {
  const frames = new Set<string>();
  for (const [, place, line] of output.matchAll(/((?:file:\/\/)?\/[^\s():'"]+\.[cm]?js):(\d+)(?::\d+)?/g)) {
    try {
      const path = place?.startsWith("file:") ? fileURLToPath(place) : (place as string);
      const file = relative(root, path).split(sep).join("/");
      if (!file.startsWith("..") && !file.includes("node_modules/")) frames.add(`${file}:${line}`);
    } catch {
      continue;
    }
  }
  return frames;
}
