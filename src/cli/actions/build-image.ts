import { buildDockerImage } from "../../sandbox/docker/index.ts";
import { buildPodmanImage } from "../../sandbox/podman/index.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";

export interface BuildImageOptions extends CommonOptions {
  readonly name?: string;
  readonly sandbox: "podman" | "docker";
}

export async function buildImage({ terminal }: CommandLine, { name, json, sandbox }: BuildImageOptions): Promise<void> {
  const build = sandbox === "docker" ? buildDockerImage : buildPodmanImage;
  const image = await build(name === undefined ? {} : { name });
  if (json === true) terminal.printJson({ image });
  else
    terminal.print(`Made ${image}. \`skein loop <task> --sandbox ${sandbox}\` uses it; \`skein doctor\` tries a fork.`);
}
