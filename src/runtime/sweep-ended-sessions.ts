import type { SandboxClient } from "../sandbox/sandbox.ts";
import type { Session, SessionStore } from "../store/session-store.ts";

/** A loop goes on in its boxes when it is resumed; nobody comes back for those of anything else that has ended. */
function mayComeBack({ kind, status }: Session): boolean {
  return status === "running" || status === "created" || (kind === "loop" && status === "interrupted");
}

/**
 * Deletes the boxes of sessions that have ended, whatever their claim: what a killed process left, once its runs are closed.
 *
 * @param resuming a session whose boxes are about to be taken up again
 */
export async function sweepEndedSessions(client: SandboxClient, store: SessionStore, resuming?: string): Promise<void> {
  for (const { id, labels } of (await client.list?.()) ?? []) {
    const sessionId = labels["skein.session"];
    const session = sessionId === undefined || sessionId === resuming ? undefined : await store.get(sessionId);
    if (session === undefined || mayComeBack(session)) continue;
    // One that cannot be deleted now is found again by the next command.
    await client
      .attach?.(id)
      .then((box) => box?.delete())
      .catch(() => {});
  }
}
