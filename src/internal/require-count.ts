import { ValidationError } from "../errors.ts";

/** @throws ValidationError `invalid_option` unless `value` is a whole number of at least 1 */
export function requireCount(name: string, value: number): number {
  if (Number.isInteger(value) && value >= 1) return value;
  throw new ValidationError("invalid_option", `${name} is a whole number of at least 1, not ${String(value)}.`);
}
