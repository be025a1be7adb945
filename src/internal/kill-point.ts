/** Places where a process may die and the log must bear it; tests end it exactly there. */
export const KILL_POINTS = [
  /** The stream has events for the store and has not asked for anything yet. */
  "before-append",
  /** They are in the open transaction of the thread that writes, and nothing is flushed. */
  "after-append",
  /** They are on the disk, and nobody has heard of it. */
  "after-flush",
  /** A consumer has an event and asks for the next one. */
  "after-delivery",
  /** A backend's `stop` was called and has not returned. */
  "in-stop",
  /** Recovery has fenced a dead writer and has not closed its run. */
  "in-recovery",
  /** A migration has changed the tables and is not committed. */
  "in-migration",
  /** The events of a deleted session are going, some are gone. */
  "in-prune",
] as const;

export type KillPoint = (typeof KILL_POINTS)[number];

interface Armed {
  readonly point: string;
  readonly at: number;
  readonly action: string;
}

/** `<point>`, `<point>:<n>` for the n-th time it is passed, `<point>:<n>:fail` to throw there instead of dying. */
function parseArmed(text: string | undefined): Armed | undefined {
  if (text === undefined || text === "") return undefined;
  const [point = "", at = "1", action = "kill"] = text.split(":");
  if (!(KILL_POINTS as readonly string[]).includes(point))
    throw new Error(`SKEIN_KILL_POINT names no kill point: ${point}; there are ${KILL_POINTS.join(", ")}.`);
  return { point, at: Number(at), action };
}

const armed = parseArmed(process.env["SKEIN_KILL_POINT"]);
let passed = 0;

/** Does nothing, unless the environment variable SKEIN_KILL_POINT named this place when the process began (or the thread: each counts for itself). */
export function killPoint(point: KillPoint): void {
  if (armed === undefined || armed.point !== point) return;
  passed += 1;
  if (passed !== armed.at) return;
  if (armed.action === "fail") throw new Error(`SKEIN_KILL_POINT=${point} failed, as it was told to.`);
  process.kill(process.pid, "SIGKILL");
}
