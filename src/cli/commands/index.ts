import type { Command } from "commander";
import type { CommandLine } from "../common-options.ts";
import { addAcpCommand } from "./acp-command.ts";
import { addAgentsCommand } from "./agents-command.ts";
import { addAnswerCommand } from "./answer-command.ts";
import { addApplyCommand } from "./apply-command.ts";
import { addBoxesCommand } from "./boxes-command.ts";
import { addCheckpointsCommand } from "./checkpoints-command.ts";
import { addDoctorCommand } from "./doctor-command.ts";
import { addExamplesCommand } from "./examples-command.ts";
import { addExportCommand } from "./export-command.ts";
import { addImageCommand } from "./image-command.ts";
import { addFleetCommand } from "./fleet-command.ts";
import { addImportCommand } from "./import-command.ts";
import { addLoopCommand } from "./loop-command.ts";
import { addLsCommand } from "./ls-command.ts";
import { addMoveCommand } from "./move-command.ts";
import { addPruneCommand } from "./prune-command.ts";
import { addReplayCommand } from "./replay-command.ts";
import { addResumeCommand } from "./resume-command.ts";
import { addRunCommand } from "./run-command.ts";
import { addServeCommand } from "./serve-command.ts";
import { addShowCommand } from "./show-command.ts";
import { addTailCommand } from "./tail-command.ts";
import { addTokensCommand } from "./tokens-command.ts";
import { addWorkerCommand } from "./worker-command.ts";

/** In the order of the help. */
const COMMANDS: readonly ((program: Command, line: CommandLine) => void)[] = [
  addRunCommand,
  addLoopCommand,
  addResumeCommand,
  addLsCommand,
  addShowCommand,
  addReplayCommand,
  addTailCommand,
  addAnswerCommand,
  addServeCommand,
  addTokensCommand,
  addApplyCommand,
  addExportCommand,
  addImportCommand,
  addMoveCommand,
  addWorkerCommand,
  addFleetCommand,
  addPruneCommand,
  addDoctorCommand,
  addBoxesCommand,
  addImageCommand,
  addCheckpointsCommand,
  addExamplesCommand,
  addAgentsCommand,
  addAcpCommand,
];

export function addCommands(program: Command, line: CommandLine): void {
  for (const add of COMMANDS) add(program, line);
}
