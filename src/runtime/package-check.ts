import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ValidationError } from "../errors.ts";

/** What `npm init` writes where there are no tests. */
const NO_TEST_SCRIPT = /no test specified/;

/**
 * The command that checks a package, by its own `package.json`.
 *
 * @throws ValidationError `no_tests` where there is no `package.json`, or none with a test script
 */
export async function readPackageCheck(directory: string): Promise<readonly string[]> {
  const path = join(directory, "package.json");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new ValidationError(
      "no_tests",
      `There is no package.json in ${directory}; say how to test it with --check <command>.`,
      { cause },
    );
  }
  requireTestScript(text, path);
  return ["npm", "test"];
}

/** @throws ValidationError `no_tests` */
export function requireTestScript(packageJson: string, path: string): void {
  let script: unknown;
  try {
    script = (JSON.parse(packageJson) as { scripts?: { test?: unknown } } | null)?.scripts?.test;
  } catch (cause) {
    throw new ValidationError(
      "no_tests",
      `${path} is not JSON; mend it, or say how to test the package with --check <command>.`,
      { cause },
    );
  }
  if (typeof script !== "string" || script.trim() === "" || NO_TEST_SCRIPT.test(script)) {
    throw new ValidationError(
      "no_tests",
      `${path} has no test script; add one, or say how to test the package with --check <command>.`,
    );
  }
}
