import { FORK_POINT_TAG } from "../loop/keep-boxes.ts";
import type { Labels, SandboxClient } from "../sandbox/sandbox.ts";
import type { Session, SessionStore } from "../store/session-store.ts";

/** How long a loop that was interrupted keeps the checkpoints that it could go on from. */
const CHECKPOINT_MS = 24 * 60 * 60 * 1000;

/** A loop goes on in its boxes when it is resumed; nobody comes back for those of anything else that has ended. */
function mayComeBack({ kind, status }: Session): boolean {
  return status === "running" || status === "created" || (kind === "loop" && status === "interrupted");
}

/** A checkpoint is kept for a loop that may be resumed, for a day; as a fork point it is kept as long as its loop is. */
function needsCheckpoint(session: Session | undefined, labels: Labels): boolean {
  if (session === undefined) return false;
  if (FORK_POINT_TAG in labels || session.status === "running") return true;
  return mayComeBack(session) && Date.now() - session.updatedAt < CHECKPOINT_MS;
}

/**
 * Deletes the boxes and checkpoints of sessions that have ended, whatever the boxes' claim: what a killed process left, once its runs are closed.
 * What carries no session's label is nobody's business here. What cannot be deleted now is found again by the next command.
 *
 * @param resuming a session whose boxes are about to be taken up again
 */
export async function sweepEndedSessions(client: SandboxClient, store: SessionStore, resuming?: string): Promise<void> {
  for (const { id, labels } of (await client.list?.()) ?? []) {
    const sessionId = labels["skein.session"];
    const session = sessionId === undefined || sessionId === resuming ? undefined : await store.get(sessionId);
    if (session === undefined || mayComeBack(session)) continue;
    await client
      .attach?.(id)
      .then((box) => box?.delete())
      .catch(() => {});
  }
  for (const { id, labels } of (await client.listCheckpoints?.()) ?? []) {
    const sessionId = labels["skein.session"];
    if (sessionId === undefined || sessionId === resuming || needsCheckpoint(await store.get(sessionId), labels))
      continue;
    await client.deleteCheckpoint?.(id).catch(() => {});
  }
}
