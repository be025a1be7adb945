import type { Command } from "commander";
import { findSession } from "../../runtime/find-session.ts";
import { addCommonOptions, type CommandLine, type CommonOptions, openData } from "../command-line.ts";
import { followSession } from "../follow-session.ts";
import { parseWhole } from "../parse-option.ts";
import { createSessionViewer } from "../session-viewer.ts";

interface TailOptions extends CommonOptions {
  readonly after?: number;
  readonly follow?: boolean;
}

export function addTailCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("tail")
    .description("Watch a session live, also while another process writes it. Ends with the run.")
    .argument("<session>", "an id, the beginning of one, or last")
    .option("--after <seq>", "begin after this event", parseWhole(0, "A position"))
    .option("-f, --follow", "go on over later runs of the session, until Ctrl-C")
    .option("--json", "the stored events, one a line, as they come")
    .action((session: string, options: TailOptions) => tail(line, session, options));
  addCommonOptions(command, ["skein tail last", "skein tail loop_4k2 --follow", "skein tail run_9xb --json | jq .type"]);
}

async function tail(line: CommandLine, wanted: string, options: TailOptions): Promise<void> {
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
