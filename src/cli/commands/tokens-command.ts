import type { Command } from "commander";
import type { IssueOptions } from "../actions/tokens.ts";
import { addCommonOptions, addExamples, type CommandLine, type CommonOptions } from "../common-options.ts";
import { parseDuration } from "../parse-option.ts";

export function addTokensCommand(program: Command, line: CommandLine): void {
  const tokens = program
    .command("tokens")
    .description(
      "Tokens for callers of `skein serve`: issue, list, revoke. A server that runs takes notice within a second or two.",
    );
  const issue = tokens
    .command("issue")
    .description("Make a token and print it. It is shown this once; what is kept is its hash.")
    .option("--scope <scope>", "what it allows: write, read, or session:ID for one session and its iterations", "read")
    .option("--name <name>", "for people: who has it. It stands in answers and aborts that its bearer makes")
    .option("--expires <duration>", "for how long, such as 1h or 7d (default: until it is revoked)", parseDuration)
    .option("--json", "one JSON object")
    .action(async (options: IssueOptions) => (await import("../actions/tokens.ts")).issueToken(line, options));
  addCommonOptions(issue, [
    "skein tokens issue --scope read --name ci --expires 7d",
    "skein tokens issue --scope session:run_4k2m",
  ]);
  const ls = tokens
    .command("ls")
    .description("List the tokens, without their texts.")
    .option("--json", "one JSON array")
    .action(async (options: CommonOptions) => (await import("../actions/tokens.ts")).listTokens(line, options));
  addCommonOptions(ls, ["skein tokens ls"]);
  const revoke = tokens
    .command("revoke")
    .description("Revoke tokens: they open nothing any more, and the streams that they opened end.")
    .argument("<id...>", "their ids, as `skein tokens ls` shows them")
    .action(async (ids: string[], options: CommonOptions) =>
      (await import("../actions/tokens.ts")).revokeTokens(line, ids, options),
    );
  addCommonOptions(revoke, ["skein tokens revoke token_4k2m"]);
  addExamples(tokens, ["skein tokens issue --scope read --name ci --expires 7d", "skein tokens ls"]);
}
