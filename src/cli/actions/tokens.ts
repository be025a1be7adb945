import { join } from "node:path";
import { ValidationError } from "../../errors.ts";
import { createDataDirectory, inspectDataDirectory, TOKENS_FOLDER } from "../../runtime/data-directory.ts";
import { TokenFolder } from "../../server/index.ts";
import type { AccessScope, StoredToken } from "../../server/index.ts";
import { formatAge } from "../../view/format-figures.ts";
import { toPlainLine } from "../../view/plain-text.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { toDataPlace } from "../open-data.ts";
import { renderTable } from "../render/render-table.ts";

export interface IssueOptions extends CommonOptions {
  readonly scope: string;
  readonly name?: string;
  readonly expires?: number;
}

function openFolder(line: CommandLine, options: CommonOptions): TokenFolder {
  return new TokenFolder(join(toDataPlace(line, options).directory, TOKENS_FOLDER));
}

export async function issueToken(line: CommandLine, options: IssueOptions): Promise<void> {
  const { terminal } = line;
  const scope = parseScope(options.scope);
  const { directory } = toDataPlace(line, options);
  // A folder that Git does not see and that the next command knows for its own.
  if ((await inspectDataDirectory(directory)) === "missing") await createDataDirectory(directory);
  const { token, stored } = await openFolder(line, options).issue({
    scope,
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.expires === undefined ? {} : { expiresInMs: options.expires }),
  });
  if (options.json === true) return terminal.printJson({ token, ...toShown(stored) });
  terminal.print(token, terminal.style.dim(`${stored.id}: ${toWords(stored.scope)}. It is not shown again.`));
}

export async function listTokens(line: CommandLine, options: CommonOptions): Promise<void> {
  const { terminal } = line;
  const stored = await openFolder(line, options).list();
  if (options.json === true) return terminal.printJson(stored.map(toShown));
  if (stored.length === 0) return terminal.print("No tokens.");
  const now = line.now();
  const rows = stored.map(({ id, scope, name = "", createdAt, expiresAt }) => [
    id,
    toWords(scope),
    toPlainLine(name),
    `${formatAge(Math.max(0, now - createdAt))} ago`,
    expiresAt === undefined ? "" : expiresAt <= now ? "over" : `in ${formatAge(expiresAt - now)}`,
  ]);
  const columns = [
    { title: "id" },
    { title: "may" },
    { title: "name", shrink: true as const },
    { title: "issued" },
    { title: "ends" },
  ];
  terminal.print(...renderTable(columns, rows, terminal.style, terminal.columns()));
}

export async function revokeTokens(line: CommandLine, ids: readonly string[], options: CommonOptions): Promise<void> {
  const folder = openFolder(line, options);
  for (const id of ids) {
    if (!(await folder.revoke(id)))
      throw new ValidationError(
        "token_unknown",
        `No token has the id ${JSON.stringify(id.slice(0, 80))}; \`skein tokens ls\` shows those that there are.`,
      );
    line.terminal.print(`Revoked ${id}.`);
  }
}

function parseScope(text: string): AccessScope {
  if (text === "write" || text === "read") return text;
  const session = /^session:(.+)$/s.exec(text)?.[1];
  if (session !== undefined) return { session };
  throw new ValidationError(
    "invalid_option",
    `A scope is write, read, or session:ID, not ${JSON.stringify(text.slice(0, 80))}.`,
  );
}

function toWords(scope: AccessScope): string {
  return typeof scope === "string" ? scope : `read ${toPlainLine(scope.session)}`;
}

function toShown({ hash: _hash, ...grant }: StoredToken): object {
  return grant;
}
