import { ValidationError } from "../../errors.ts";

/** A whole number from a query, between `min` and `max`. @throws ValidationError `invalid_option` */
export function parseWholeQuery(
  name: string,
  text: string | undefined,
  { min = 0, max = Number.MAX_SAFE_INTEGER }: { readonly min?: number; readonly max?: number } = {},
): number | undefined {
  if (text === undefined || text === "") return undefined;
  const value = Number(text);
  if (!/^\d{1,16}$/.test(text) || value < min || value > max) {
    throw new ValidationError(
      "invalid_option",
      `The query parameter ${name} is a whole number from ${min} to ${max}, not ${JSON.stringify(text.slice(0, 40))}.`,
    );
  }
  return value;
}
