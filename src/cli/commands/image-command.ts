import type { Command } from "commander";
import type { BuildImageOptions } from "../actions/build-image.ts";
import { parseWord } from "../parse-option.ts";
import { addCommonOptions, addExamples, type CommandLine } from "../common-options.ts";

const ENGINES = ["podman", "docker"] as const;

export function addImageCommand(program: Command, line: CommandLine): void {
  const image = program.command("image").description("The image of boxes that are containers.");
  const build = image
    .command("build")
    .description("Make it of this machine's own programs: Node, a shell, the usual tools, git. Nothing is fetched.")
    .option("--sandbox <sandbox>", "podman, or docker: for the engine of DOCKER_HOST", parseWord(ENGINES), "podman")
    .option("--name <name>", "another name than the one that boxes use by default")
    .option("--json", "one JSON document")
    .action(async (options: BuildImageOptions) =>
      (await import("../actions/build-image.ts")).buildImage(line, options),
    );
  addCommonOptions(build, ["skein image build", "skein image build --name localhost/mine:1"]);
  // Its options are those of its command: one that both had would be taken by the wrong one.
  addExamples(image, [
    "skein image build",
    "skein image build --sandbox docker",
    "skein image build --name localhost/mine:1",
  ]);
}
