import { ValidationError } from "../errors.ts";
import type { Session, SessionStore } from "../store/session-store.ts";

/** The word for the newest session that is nobody's child. */
const LAST = "last";
const MAX_SUGGESTIONS = 3;

/** The part of an id after its kind: people copy it alone. */
function idTail(id: string): string {
  return id.slice(id.indexOf("_") + 1);
}

/** How many characters must be changed, added or removed to make one text of the other; enough for a typing error. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const substitute = (row[j - 1] as number) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(substitute, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[right.length] as number;
}

/** The ids of a loop's iterations begin with the loop's own: what fits them all means the loop. */
function withoutChildren(sessions: readonly Session[]): Session[] {
  const ids = new Set(sessions.map(({ id }) => id));
  return sessions.filter(({ parentId }) => parentId === undefined || !ids.has(parentId));
}

/** Near ones first. An unfinished id is compared with as much of the others as there is of it. */
function suggest(wanted: string, sessions: readonly Session[]): string[] {
  const distanceTo = ({ id }: Session): number =>
    Math.min(
      editDistance(wanted, id.slice(0, wanted.length)),
      editDistance(wanted, idTail(id).slice(0, wanted.length)),
    );
  return withoutChildren(sessions.filter((session) => distanceTo(session) <= Math.max(2, wanted.length / 4)))
    .sort((a, b) => distanceTo(a) - distanceTo(b))
    .slice(0, MAX_SUGGESTIONS)
    .map(({ id }) => id);
}

/**
 * Finds a session by its full id, by a prefix that fits only one (with or without the kind before the underscore), or by the word `last`.
 *
 * @throws ValidationError `session_unknown`, with the ids that are near
 */
export async function findSession(store: SessionStore, wanted: string): Promise<Session> {
  const exact = wanted === "" ? undefined : await store.get(wanted);
  if (exact !== undefined) return exact;
  if (wanted === LAST) {
    const [newest] = await store.list({ parentId: null, limit: 1 });
    if (newest !== undefined) return newest;
  }
  const sessions = await store.list();
  if (sessions.length === 0)
    throw new ValidationError("session_unknown", `No session has the id "${wanted}": there are no sessions here yet.`);
  const fitting =
    wanted === ""
      ? []
      : withoutChildren(sessions.filter(({ id }) => id.startsWith(wanted) || idTail(id).startsWith(wanted)));
  if (fitting.length === 1) return fitting[0] as Session;
  if (fitting.length > 1) {
    const shown = fitting.slice(0, MAX_SUGGESTIONS).map(({ id }) => id);
    const more = fitting.length > shown.length ? ` and ${fitting.length - shown.length} more` : "";
    throw new ValidationError(
      "session_unknown",
      `Several sessions begin with "${wanted}": ${shown.join(", ")}${more}; name one of them.`,
    );
  }
  const near = suggest(wanted, sessions);
  throw new ValidationError(
    "session_unknown",
    near.length === 0
      ? `No session has the id "${wanted}"; \`skein ls --all\` lists those that there are.`
      : `No session has the id "${wanted}"; did you mean ${near.join(" or ")}?`,
  );
}
