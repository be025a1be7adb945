import { buildPodmanImage } from "../../sandbox/podman/index.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";

export interface BuildImageOptions extends CommonOptions {
  readonly name?: string;
}

export async function buildImage({ terminal }: CommandLine, { name, json }: BuildImageOptions): Promise<void> {
  const image = await buildPodmanImage(name === undefined ? {} : { name });
  if (json === true) terminal.printJson({ image });
  else terminal.print(`Made ${image}. \`skein loop <task> --sandbox podman\` uses it; \`skein doctor\` tries a fork.`);
}
