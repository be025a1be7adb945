import type { Redaction, Redactor } from "../event/redaction/redactor.ts";
import { createRedactor } from "../event/redaction/redactor.ts";

/** Stores everything as it is. */
const NO_REDACTION: Redaction = { push: (body) => [body], flush: () => [] };

/** Secrets of this process's environment; compiled once, for the environment of a process hardly changes. */
let environmentRedactor: Redactor | undefined;

/** The redaction of one run: the caller's, none at all, or the default over this process's environment. */
export function beginRedaction(redact: Redactor | false | undefined): Redaction {
  if (redact === false) return NO_REDACTION;
  environmentRedactor ??= createRedactor({ env: process.env });
  return (redact ?? environmentRedactor).begin();
}
