import type { Finding } from "../doctor-checks.ts";
import { padTo } from "../../view/plain-text.ts";
import type { Style } from "./style.ts";

/** The findings, then what to install for more, each command once. */
export function renderDoctor(findings: readonly Finding[], style: Style): string[] {
  const width = Math.max(...findings.map(({ name }) => name.length)) + 2;
  const marks = { ok: style.green("✓"), missing: style.yellow("–"), broken: style.red("✗") };
  const lines = findings.map(
    ({ name, state, detail }) =>
      `${marks[state]} ${padTo(name, width)}${state === "ok" ? detail : state === "missing" ? style.yellow(detail) : style.red(detail)}`,
  );
  const remedies = findings.filter(({ state, remedy }) => state !== "ok" && remedy !== undefined);
  if (remedies.length > 0) {
    lines.push(
      "",
      style.bold("For more:"),
      ...remedies.map(({ name, remedy }) => `  ${padTo(name, width)}${remedy ?? ""}`),
    );
  }
  const broken = findings.filter(({ state }) => state === "broken").map(({ name }) => name);
  const isOnlyAgents = broken.every((name) => name.startsWith("agent "));
  lines.push(
    "",
    broken.length === 0
      ? style.green("Skein works here.")
      : style.red(`Skein ${isOnlyAgents ? "works here, but not" : "does not work here:"} ${broken.join(", ")}.`),
  );
  return lines;
}
