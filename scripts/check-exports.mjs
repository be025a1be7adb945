// Every public export has a doc comment, and says whether it is @stable or @experimental.
// The tag stands in the comment of the export's own declaration, or in the comment of the `export { … }` statement in the door
// (the file that package.json's exports name) that lets it out; the declaration's own tag goes first. A type may have its words there too; a value has its own.
import { readFileSync } from "node:fs";
import { relative } from "node:path";
import ts from "typescript";

const { exports: subpaths } = JSON.parse(readFileSync("package.json", "utf8"));
const doors = Object.entries(subpaths)
  .map(([name, target]) => [name, typeof target === "string" ? target : target.default])
  .filter(([, target]) => target.endsWith(".js"))
  .map(([name, target]) => [name, target.replace(/^\.\/dist\//, "src/").replace(/\.js$/, ".ts")]);

const { config } = ts.readConfigFile("tsconfig.json", (path) => readFileSync(path, "utf8"));
const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ".");
const program = ts.createProgram(
  doors.map(([, file]) => file),
  { ...options, noEmit: true, incremental: false },
);
const checker = program.getTypeChecker();

const STABILITY = new Set(["stable", "experimental"]);
const faults = [];
let count = 0;

const tagsOf = (node) => ts.getJSDocTags(node).map((tag) => tag.tagName.text);

const wordsOf = (statement) =>
  (statement?.jsDoc ?? [])
    .map((comment) => ts.getTextOfJSDocComment(comment.comment) ?? "")
    .join("")
    .trim();

/** The statement that lets a name out of its door. */
function doorStatement(symbol) {
  const node = symbol.declarations?.[0];
  return node !== undefined && ts.isExportSpecifier(node) ? node.parent.parent : undefined;
}

for (const [name, file] of doors) {
  const source = program.getSourceFile(file);
  if (source === undefined) {
    faults.push(`${name}: ${file} is not there`);
    continue;
  }
  const module = checker.getSymbolAtLocation(source);
  for (const symbol of module === undefined ? [] : checker.getExportsOfModule(module)) {
    count++;
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    const declaration = target.declarations?.[0];
    const where = declaration === undefined ? file : relative(".", declaration.getSourceFile().fileName);
    if (where.startsWith("node_modules")) continue;
    const statement = doorStatement(symbol);
    const isValue = (target.flags & ts.SymbolFlags.Value) !== 0;
    const words = ts.displayPartsToString(target.getDocumentationComment(checker)).trim();
    if (words === "" && (isValue || wordsOf(statement) === "")) {
      faults.push(`${name}: ${symbol.name} (${where}) has no doc comment`);
    }
    const own = target
      .getJsDocTags(checker)
      .map((tag) => tag.name)
      .filter((tag) => STABILITY.has(tag));
    const tags =
      own.length > 0 || statement === undefined ? own : tagsOf(statement).filter((tag) => STABILITY.has(tag));
    if (new Set(tags).size !== 1) {
      faults.push(
        `${name}: ${symbol.name} (${where}) ${tags.length === 0 ? "carries neither @stable nor @experimental" : "carries both @stable and @experimental"}`,
      );
    }
  }
}

for (const fault of faults) console.error(fault);
if (faults.length > 0) {
  console.error(`${faults.length} faults in ${count} exports of ${doors.length} doors.`);
  process.exit(1);
}
