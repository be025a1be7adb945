import type { BoxOrigin } from "./loop-progress.ts";

const ORIGINS: Readonly<Record<BoxOrigin, string>> = {
  new: "new box",
  continued: "same box",
  memory: "fork (memory)",
  files: "fork (files)",
  fresh: "fresh box",
};

/** How an iteration came to its box, in words. */
export function renderOrigin(origin: BoxOrigin | undefined): string {
  return origin === undefined ? "" : ORIGINS[origin];
}
