import type { CommandLine, CommonOptions } from "../common-options.ts";
import { openData } from "../open-data.ts";
import { renderSessionTable } from "../render/session-table.ts";
import { readSessionTitle } from "../session-title.ts";
import type { SessionStatus } from "../../store/session-store.ts";

export interface LsOptions extends CommonOptions {
  readonly status?: SessionStatus;
  readonly kind?: string;
  readonly all?: boolean;
  readonly limit: number;
}

export async function listSessions(line: CommandLine, options: LsOptions): Promise<void> {
  const { terminal } = line;
  await using runtime = await openData(line, options, { need: "read" });
  const { status, kind, all, limit } = options;
  const found = await runtime.store.list({
    ...(status === undefined ? {} : { status }),
    ...(kind === undefined ? {} : { kind }),
    ...(all === true ? {} : { parentId: null }),
    limit: limit + 1,
  });
  const sessions = await Promise.all(
    found.slice(0, limit).map(async (session) => ({ session, title: await readSessionTitle(runtime.store, session) })),
  );
  if (options.json === true) {
    terminal.printJson(sessions.map(({ session, title }) => ({ ...session, title })));
    return;
  }
  if (sessions.length === 0) {
    const narrowed = status !== undefined || kind !== undefined;
    terminal.print(
      narrowed
        ? "No session fits; `skein ls` lists all."
        : `No sessions in ${runtime.place} yet. Start one: skein loop <folder>`,
    );
    return;
  }
  terminal.print(...renderSessionTable(sessions, terminal.style, { width: terminal.columns(), now: line.now() }));
  if (found.length > limit) terminal.print(terminal.style.dim(`and more; --limit ${limit * 2} shows them`));
}
