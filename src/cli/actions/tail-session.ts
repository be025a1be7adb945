import { findSession } from "../../runtime/find-session.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { openData } from "../open-data.ts";
import { followSession } from "../follow-session.ts";
import { createSessionViewer } from "../session-viewer.ts";

export interface TailOptions extends CommonOptions {
  readonly after?: number;
  readonly follow?: boolean;
}

export async function tailSession(line: CommandLine, wanted: string, options: TailOptions): Promise<void> {
  const { terminal, interrupt } = line;
  await using runtime = await openData(line, options, { need: "read" });
  const session = await findSession(runtime.store, wanted);
  const range = {
    ...(options.after === undefined ? {} : { after: options.after }),
    ...(options.follow === true ? {} : { until: "final" as const }),
    signal: interrupt.signal,
  };
  if (options.json === true) {
    for await (const event of runtime.store.tail(session.id, range)) terminal.printJson(event, "line");
    return;
  }
  const viewer = createSessionViewer(session, { terminal, now: line.now });
  try {
    await followSession(runtime.store, session, range, (event) => viewer.show(event));
  } finally {
    viewer.close();
  }
}
