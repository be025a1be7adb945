import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { ValidationError } from "../../errors.ts";
import type { Runtime } from "../../runtime/open-runtime.ts";
import type { AppOptions, LoopDefinition, TaskDefinition } from "../../server/index.ts";
import { toPlainLine } from "../../view/plain-text.ts";

/** What a file of `skein serve --tasks` offers. */
export type OfferedTasks = Pick<AppOptions, "tasks" | "loops" | "chat">;

const NAME = /^[\w.:-]{1,100}$/;

/**
 * Reads a module that exports `tasks`, `loops` and `chat`, or whose default export is an object with them, or a function that is given the sandbox of the
 * data directory and returns one.
 *
 * @throws ValidationError `invalid_option`
 */
export async function readTasks(cwd: string, file: string, runtime: Runtime): Promise<OfferedTasks> {
  const path = resolve(cwd, file);
  let found: unknown;
  try {
    const module = (await import(pathToFileURL(path).href)) as { readonly default?: unknown };
    found = module.default ?? module;
    if (typeof found === "function")
      found = await (found as (context: object) => unknown)({ openSandbox: () => runtime.openSandbox() });
  } catch (cause) {
    const said = toPlainLine(cause instanceof Error ? cause.message : String(cause)).slice(0, 500);
    throw new ValidationError("invalid_option", `The tasks cannot be read from ${path}: ${said}`, { cause });
  }
  const { tasks = {}, loops = {}, chat } = (found ?? {}) as Record<string, unknown>;
  checkOffered(path, "tasks", tasks, (one) => ["object", "function"].includes(typeof (one as TaskDefinition).backend));
  checkOffered(path, "loops", loops, (one) => typeof (one as LoopDefinition).settings === "function");
  const twice = Object.keys(tasks as object).find((name) => Object.hasOwn(loops as object, name));
  if (twice !== undefined) throw wrong(path, `${JSON.stringify(twice)} is both a task and a loop`);
  if (Object.keys({ ...(tasks as object), ...(loops as object) }).length === 0)
    throw wrong(path, "it exports neither `tasks` nor `loops`, each an object of definitions by their names");
  if (chat !== undefined && (typeof chat !== "string" || !Object.hasOwn(tasks as object, chat)))
    throw wrong(path, "`chat` is the name of one of its tasks");
  return {
    tasks: tasks as Record<string, TaskDefinition>,
    loops: loops as Record<string, LoopDefinition>,
    ...(chat === undefined ? {} : { chat }),
  };
}

function checkOffered(path: string, kind: "tasks" | "loops", value: unknown, isOne: (one: object) => boolean): void {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw wrong(path, `\`${kind}\` is an object of definitions by their names`);
  for (const [name, one] of Object.entries(value as Record<string, unknown>)) {
    if (!NAME.test(name))
      throw wrong(path, `${JSON.stringify(name.slice(0, 80))} is no name: letters, digits, dots, colons, dashes`);
    if (typeof one !== "object" || one === null || !isOne(one))
      throw wrong(
        path,
        `${kind}.${name} has no ${kind === "tasks" ? "`backend`" : "`settings`; make it with defineLoop"}`,
      );
  }
}

function wrong(path: string, what: string): ValidationError {
  return new ValidationError("invalid_option", `The tasks cannot be read from ${path}: ${what}.`);
}
