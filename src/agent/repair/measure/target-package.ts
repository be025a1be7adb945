import { readFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";

/** The package under repair. */
export interface TargetPackage {
  readonly root: string;
  readonly name: string;
  /** What `npm test` would run, its `pretest` included. */
  readonly testCommand: string;
  /** Where the runner is plain `node --test`: the flags that a single test file needs to run in the same way. */
  readonly nodeFlags?: readonly string[];
  readonly env: Record<string, string>;
}

export type OpenedPackage =
  | { readonly ok: true; readonly target: TargetPackage }
  | { readonly ok: false; readonly reason: string };

/** Reads package.json; a package that has no tests is an answer, not an exception. */
export async function openTargetPackage(root: string, env: NodeJS.ProcessEnv): Promise<OpenedPackage> {
  let text: string;
  try {
    text = await readFile(join(root, "package.json"), "utf8");
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return { ok: false, reason: missing ? "there is no package.json here" : "package.json cannot be read" };
  }
  let manifest: { name?: unknown; version?: unknown; scripts?: Record<string, unknown> } | null;
  try {
    manifest = JSON.parse(text.replace(/^\uFEFF/, "")) as typeof manifest;
  } catch {
    return { ok: false, reason: "package.json is not valid JSON" };
  }
  const scripts = manifest?.scripts ?? {};
  const test = scripts["test"];
  if (typeof test !== "string" || test.trim() === "" || /^echo\b.*no test specified/i.test(test)) {
    return { ok: false, reason: 'package.json has no "test" script' };
  }
  const pretest = typeof scripts["pretest"] === "string" ? `${scripts["pretest"]} && ` : "";
  const nodeFlags = pretest === "" ? toNodeFlags(test) : undefined;
  const name = typeof manifest?.name === "string" ? manifest.name : "the package";
  return {
    ok: true,
    target: {
      root,
      name,
      // One machine-readable reporter instead of whichever the Node version prefers.
      testCommand: nodeFlags ? test.replace(/(\s)--test(?=\s|$)/, "$1--test --test-reporter=tap") : pretest + test,
      ...(nodeFlags ? { nodeFlags } : {}),
      env: toTestEnv(root, env, name, typeof manifest?.version === "string" ? manifest.version : ""),
    },
  };
}

/** The environment that npm gives to a script, as far as scripts rely on it. */
function toTestEnv(root: string, env: NodeJS.ProcessEnv, name: string, version: string): Record<string, string> {
  const kept = Object.entries(env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !/^(SKEIN_|NODE_TEST_CONTEXT$|NODE_V8_COVERAGE$|VITEST|NODE_CHANNEL_)/.test(entry[0]),
  );
  return {
    ...Object.fromEntries(kept),
    PATH: [join(root, "node_modules", ".bin"), dirname(process.execPath), env["PATH"] ?? ""].join(delimiter),
    npm_lifecycle_event: "test",
    npm_command: "test",
    npm_package_name: name,
    npm_package_version: version,
    npm_package_json: join(root, "package.json"),
    npm_execpath: "npm",
    npm_node_execpath: process.execPath,
    INIT_CWD: root,
    NO_COLOR: "1",
    FORCE_COLOR: "0",
  };
}

const FLAGS_WITH_VALUE = new Set([
  "--import",
  "--require",
  "-r",
  "--loader",
  "--experimental-loader",
  "--conditions",
  "-C",
]);

/** The flags of a plain `node … --test …` command; undefined for anything that only a shell can say. */
function toNodeFlags(command: string): string[] | undefined {
  if (/[;&|<>`$()\\]/.test(command)) return undefined;
  const words = command.trim().split(/\s+/);
  if (words[0] !== "node" || !words.includes("--test") || words.some((word) => word.startsWith("--test-reporter")))
    return undefined;
  const flags: string[] = [];
  for (let index = 1; index < words.length; index += 1) {
    const word = words[index] as string;
    if (!word.startsWith("-") || word.startsWith("--test")) continue;
    if (/['"]/.test(word)) return undefined;
    flags.push(word);
    if (FLAGS_WITH_VALUE.has(word)) flags.push(words[(index += 1)] as string);
  }
  return flags;
}
