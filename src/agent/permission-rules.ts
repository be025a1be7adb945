import { ValidationError } from "../errors.ts";
import type { ToolKind } from "../event/event.ts";

/**
 * What to do when the agent asks for permission. Inside a box everything that the box allows is allowed; `ask` waits for an answer.
 *
 * @experimental
 */
export type PermissionPolicy = "allow" | "deny" | "ask";

/**
 * One policy for every question, or one for each kind of tool that is named and one for all others. The kind of a tool is what its agent says it is.
 *
 * @experimental
 */
export type PermissionRules =
  | PermissionPolicy
  | ({ readonly [kind in ToolKind]?: PermissionPolicy } & { readonly otherwise: PermissionPolicy });

const POLICIES: readonly unknown[] = ["allow", "deny", "ask"] satisfies PermissionPolicy[];
const NAMES: Readonly<Record<ToolKind | "otherwise", true>> = {
  read: true,
  edit: true,
  delete: true,
  move: true,
  search: true,
  execute: true,
  think: true,
  fetch: true,
  switch_mode: true,
  other: true,
  otherwise: true,
};

/** @throws ValidationError `invalid_option` */
export function parsePermissionRules(value: unknown): PermissionRules {
  if (POLICIES.includes(value)) return value as PermissionPolicy;
  const rules = typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  const wrong = Object.entries(rules).find(
    ([name, policy]) => !Object.hasOwn(NAMES, name) || !POLICIES.includes(policy),
  );
  if (wrong === undefined && Object.hasOwn(rules, "otherwise")) return rules as unknown as PermissionRules;
  throw new ValidationError(
    "invalid_option",
    `Permissions are allow, deny or ask, or one of them for each kind of tool (${Object.keys(NAMES).slice(0, -1).join(", ")}) and one for all others${wrong === undefined ? "" : `; ${wrong.map((part) => JSON.stringify(part)).join(": ")} is none`}.`,
  );
}

/** What holds for a question about a tool of this kind. */
export function choosePolicy(rules: PermissionRules, kind: unknown): PermissionPolicy {
  if (typeof rules === "string") return rules;
  const named = typeof kind === "string" && Object.hasOwn(rules, kind) ? rules[kind as ToolKind] : undefined;
  return named ?? rules.otherwise;
}

/** True where a question may have to wait for a person. */
export function mayAsk(rules: PermissionRules): boolean {
  return typeof rules === "string" ? rules === "ask" : Object.values(rules).includes("ask");
}
