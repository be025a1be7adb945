import type { Command } from "commander";
import type { AddJobOptions, FleetOptions } from "../actions/show-fleet.ts";
import { addCommonOptions, type CommandLine, type CommonOptions } from "../common-options.ts";
import { parseWhole } from "../parse-option.ts";

export function addFleetCommand(program: Command, line: CommandLine): void {
  const load = () => import("../actions/show-fleet.ts");
  const fleet = program
    .command("fleet")
    .description("Workers, queue and jobs of a fleet, and why something does not go on.");
  const show = fleet
    .command("show", { isDefault: true })
    .description("Who is alive, what waits, what runs, and why something does not.")
    .option("--limit <n>", "at most so many jobs", parseWhole(1, "A limit"), 20)
    .option("--json", "one JSON document")
    .action(async (options: FleetOptions) => (await load()).showFleet(line, options));
  addCommonOptions(show, ["skein fleet", "skein fleet --json | jq '.workers'"]);
  const add = fleet
    .command("add")
    .description("Put a job in the queue.")
    .argument("<name>", "the kind of job, as the workers' module names it")
    .argument("[input]", "its input, as JSON")
    .option("--id <id>", "the id of the job and of its session (default: a new one)")
    .option("--tenant <name>", "on whose behalf")
    .option("--priority <n>", "smaller is sooner (default: 100)", parseWhole(0, "A priority"))
    .option("--json", "one JSON document")
    .action(async (name: string, input: string | undefined, options: AddJobOptions) =>
      (await load()).addJob(line, name, input, options),
    );
  addCommonOptions(add, [`skein fleet add repair '{"package":"left-pad"}' --tenant red`]);
  const cancel = fleet
    .command("cancel")
    .description("Take a job from the queue, or end it where it runs.")
    .argument("<id>", "the job")
    .action(async (id: string, options: CommonOptions) => (await load()).cancelJob(line, id, options));
  addCommonOptions(cancel, ["skein fleet cancel job_abc123"]);
}
