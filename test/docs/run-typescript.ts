import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import ts from "typescript";

/** A piece of TypeScript as a user would write it: it imports the package by its name. */
export interface Program {
  /** Becomes a file name. */
  readonly name: string;
  readonly code: string;
}

export interface ProgramResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Lies inside the package, so that its name resolves to what was built. */
const folderFor = (name: string): string => {
  const folder = resolve(".cache", "programs", name);
  mkdirSync(folder, { recursive: true });
  return folder;
};

/** What the compiler has to say about the programs; nothing when they are fine. */
export function findTypeFaults(group: string, programs: readonly Program[]): string[] {
  const folder = folderFor(group);
  const files = programs.map((program) => {
    const path = join(folder, `${program.name}.ts`);
    writeFileSync(path, program.code);
    return path;
  });
  const { config } = ts.readConfigFile("tsconfig.json", (path) => ts.sys.readFile(path)) as { config: unknown };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ".");
  const program = ts.createProgram(files, {
    ...options,
    noEmit: true,
    incremental: false,
    rootDir: resolve("."),
    // A reader's example may leave a value unused; a library's source may not.
    noUnusedLocals: false,
    noUnusedParameters: false,
  });
  return ts.getPreEmitDiagnostics(program).map((diagnostic) => {
    const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n");
    if (diagnostic.file === undefined || diagnostic.start === undefined) return text;
    const { line } = diagnostic.file.getLineAndCharacterOfPosition(diagnostic.start);
    return `${diagnostic.file.fileName}:${line + 1}: ${text}`;
  });
}

/** Runs a program in an empty folder, with a data folder there and no other of Skein's settings. */
export async function runProgram(group: string, program: Program, timeoutMs = 60_000): Promise<ProgramResult> {
  const file = join(folderFor(group), `${program.name}.mjs`);
  const { outputText } = ts.transpileModule(program.code, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true },
  });
  writeFileSync(file, outputText);
  const cwd = mkdtempSync(join(tmpdir(), "skein-program-"));
  try {
    return await new Promise<ProgramResult>((settle) => {
      const child = execFile(
        process.execPath,
        [file],
        { cwd, timeout: timeoutMs, maxBuffer: 16 * 1024 * 1024 },
        (_, stdout, stderr) => {
          settle({ exitCode: child.exitCode ?? -1, stdout, stderr });
        },
      );
    });
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}
