import type Docker from "dockerode";
import { ValidationError } from "../../errors.ts";

/**
 * The client of the engine's API, for whoever has it: a package that only users of Docker install.
 * @throws ValidationError `sandbox_unavailable` where it is not installed
 */
export async function loadDockerode(): Promise<typeof Docker> {
  try {
    return (await import("dockerode")).default;
  } catch (cause) {
    throw new ValidationError(
      "sandbox_unavailable",
      'Boxes over a Docker engine cannot be made here: the package dockerode is not installed. Run "npm install dockerode" beside skein.',
      { cause },
    );
  }
}
