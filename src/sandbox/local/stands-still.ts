import { readFileSync } from "node:fs";
import { isAlive } from "../../internal/process-identity.ts";
import type { ProcessIdentity } from "../../internal/process-identity.ts";

/**
 * Whether the boxd of a box was stopped by a signal, which everything in the box may send it: it has the same user.
 *
 * @param first the process whose death is the end of the box: boxd itself where there are no walls, else its parent
 */
export function standsStill(first: ProcessIdentity, contained: boolean): boolean {
  if (!isAlive(first)) return false;
  try {
    // The first child of the first process of the namespace is boxd; with its end the others end too.
    const boxd = contained
      ? readFileSync(`/proc/${first.pid}/task/${first.pid}/children`, "latin1").split(" ")[0]
      : first.pid;
    const stat = readFileSync(`/proc/${boxd}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T");
  } catch {
    // It has ended since, or the system does not tell.
    return false;
  }
}
