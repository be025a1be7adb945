import { readdirSync, readFileSync } from "node:fs";
import type { ProcessIdentity } from "../../internal/process-identity.ts";
import { identifyProcess } from "../../internal/process-identity.ts";
import { BOX_ID_VARIABLE } from "../boxd/index.ts";

/** Processes of this machine that name the box: in their command line, or in the environment that boxd gave them. */
export function findBoxProcesses(boxId: string): ProcessIdentity[] {
  if (process.platform !== "linux") return [];
  const found: ProcessIdentity[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    if (holds(`/proc/${pid}/cmdline`, boxId) || holds(`/proc/${pid}/environ`, `${BOX_ID_VARIABLE}=${boxId}`)) {
      const identity = identifyProcess(pid);
      if (identity !== undefined) found.push(identity);
    }
  }
  return found;
}

function holds(file: string, word: string): boolean {
  try {
    return readFileSync(file, "utf8").split("\0").includes(word);
  } catch {
    return false;
  }
}
