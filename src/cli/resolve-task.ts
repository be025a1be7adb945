import { stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { ValidationError } from "../errors.ts";
import { requireDirectory } from "../runtime/workspace-files.ts";

/** What an agent is asked where the command line names only a folder. */
export const DEFAULT_PROMPT = "Make the tests of this package pass.";

export interface ResolvedTask {
  readonly prompt: string;
  /** The folder of the user's that is copied into the box; absent for an empty workspace. */
  readonly workspace?: string;
  /** For lists. */
  readonly title: string;
}

export interface TaskOptions {
  /** A folder, or false for an empty workspace. */
  readonly workspace?: string | false;
  readonly prompt?: string;
}

/** What makes a folder a project: only such a one is taken as the workspace without being named. */
const PROJECT_MARKS = ["package.json", ".git"];

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

/** The home directory, for shells that leave `~` to us. */
function expandHome(path: string, home: string | undefined): string {
  return home !== undefined && (path === "~" || path.startsWith("~/")) ? join(home, path.slice(1)) : path;
}

/**
 * What `<task>` means: a folder is the workspace, with the default prompt; anything else is the prompt. A text that looks like a path
 * (begins with `.`, `/` or `~`) must be a folder, so that a typing error is not sent to an agent as a prompt.
 *
 * The workspace of a prompt is `--workspace`, else the current folder where that is a project, else empty.
 *
 * @throws ValidationError `path_not_found`, `invalid_option`
 */
export async function resolveTask(
  task: string,
  options: TaskOptions,
  world: { readonly cwd: string; readonly home: string | undefined },
): Promise<ResolvedTask> {
  if (task.trim() === "")
    throw new ValidationError("invalid_option", "The task is empty; give a prompt, or the folder of a package.");
  const toPath = (path: string): string => resolve(world.cwd, expandHome(path, world.home));
  const path = toPath(task);
  if (/^[./~]/.test(task) || (!task.includes("\n") && (await isDirectory(path)))) {
    if (options.workspace !== undefined) {
      throw new ValidationError(
        "invalid_option",
        `The task ${task} is a folder already; give the prompt with --prompt, or leave --workspace out.`,
      );
    }
    const workspace = await requireDirectory(path);
    const prompt = options.prompt ?? DEFAULT_PROMPT;
    return {
      prompt,
      workspace,
      title: options.prompt === undefined ? basename(workspace) : `${basename(workspace)}: ${prompt}`,
    };
  }
  if (options.prompt !== undefined)
    throw new ValidationError(
      "invalid_option",
      "The task is a prompt already; leave --prompt out, or name a folder as the task.",
    );
  if (options.workspace === false) return { prompt: task, title: task };
  if (options.workspace !== undefined)
    return { prompt: task, workspace: await requireDirectory(toPath(options.workspace)), title: task };
  for (const mark of PROJECT_MARKS)
    if (await exists(join(world.cwd, mark))) return { prompt: task, workspace: world.cwd, title: task };
  return { prompt: task, title: task };
}
