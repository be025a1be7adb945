import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { z } from "zod";
import { ValidationError } from "../errors.ts";
import { requireTestScript } from "../runtime/package-check.ts";
import { listWorkspaceFiles, requireDirectory } from "../runtime/workspace-files.ts";
import type { BoxFile } from "../sandbox/sandbox.ts";

const MANIFEST = "skein-example.json";

export type ExampleOutcome = "repaired" | "could-not-repair";

/** A package to repair, with what should come of it. */
export interface Example {
  readonly name: string;
  readonly directory: string;
  readonly title: string;
  readonly expect: ExampleOutcome;
  readonly bugs: string;
  readonly prompt: string;
  readonly files: readonly BoxFile[];
  /** Whether its files are all its own, so that a change to them can be applied to the folder. */
  readonly isWhole: boolean;
}

const manifestSchema = z.looseObject({
  title: z.string(),
  expect: z.enum(["repaired", "could-not-repair"]),
  bugs: z.string(),
  prompt: z.string(),
  source: z.looseObject({ node_modules: z.string() }).optional(),
});

/**
 * The examples of a folder: every folder in it that has a manifest, by name; or the folder itself where it has one.
 *
 * @throws ValidationError `path_not_found`, `invalid_option`
 */
export async function readExamples(folder: string): Promise<Example[]> {
  const root = await requireDirectory(folder);
  const candidates = [root];
  for (const entry of await readdir(root, { withFileTypes: true }))
    if (entry.isDirectory()) candidates.push(join(root, entry.name));
  const examples: Example[] = [];
  for (const directory of candidates.sort()) {
    if (await exists(join(directory, MANIFEST))) examples.push(await readExample(directory));
  }
  if (examples.length === 0)
    throw new ValidationError("path_not_found", `No folder in ${root} has a ${MANIFEST}; name a folder of examples.`);
  return examples;
}

async function readExample(directory: string): Promise<Example> {
  const path = join(directory, MANIFEST);
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw new ValidationError("invalid_option", `${path} is not JSON; mend it.`, { cause });
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new ValidationError(
      "invalid_option",
      `${path} is not a manifest of an example: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`,
    );
  }
  const { title, expect, bugs, prompt, source } = parsed.data;
  const own = await listOwnFiles(directory, directory);
  const taken = source === undefined ? [] : await listWorkspaceFiles(await findModule(directory, source.node_modules));
  const packageJson = own.find((file) => file.path === "package.json")?.from ?? join(directory, "package.json");
  if (source === undefined || (await exists(packageJson)))
    requireTestScript(await readFile(packageJson, "utf8").catch(() => "{}"), packageJson);
  return {
    name: basename(directory),
    directory,
    title,
    expect,
    bugs,
    prompt,
    files: [...taken, ...own],
    isWhole: source === undefined,
  };
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/** Each file by itself: they are laid over those of the source, folder by folder. */
async function listOwnFiles(root: string, folder: string): Promise<{ readonly path: string; readonly from: string }[]> {
  const files: { readonly path: string; readonly from: string }[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const from = join(folder, entry.name);
    if (entry.name === MANIFEST || entry.name === ".git" || entry.name === ".skein") continue;
    if (entry.isDirectory()) files.push(...(await listOwnFiles(root, from)));
    else files.push({ path: relative(root, from), from });
  }
  return files;
}

/** The folder of an installed package, looked for as Node does: from here upwards. */
async function findModule(directory: string, name: string): Promise<string> {
  for (let at = resolve(directory); ; at = dirname(at)) {
    const candidate = join(at, "node_modules", name);
    if (await exists(join(candidate, "package.json"))) return candidate;
    if (at === dirname(at)) break;
  }
  throw new ValidationError(
    "path_not_found",
    `The example ${basename(directory)} needs the package ${name}, which is not installed; run npm ci.`,
  );
}
