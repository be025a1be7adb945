import { ValidationError } from "../errors.ts";
import type { JsonValue } from "./event.ts";

/** Deeper values are refused: no reader should need a stack of that size. */
export const MAX_JSON_DEPTH = 256;

/**
 * More texts, numbers, lists, objects and so on in one value are refused: it is copied in one go, and so many take about a tenth of a second.
 * It says nothing about how long the texts are.
 */
export const MAX_JSON_VALUES = 500_000;

/** How many values the copy that is being made may still hold. A copy is made in one go, so there is one at a time. */
let valuesLeft = 0;

/**
 * A copy of `value` as JSON would give it back: properties that are `undefined` are left out, `toJSON` is honoured.
 * The copy shares nothing with the value, so what is stored cannot change afterwards. JSON has no -0: it becomes 0.
 *
 * @throws ValidationError `event_not_json` for what JSON cannot say: BigInt, functions, symbols, NaN and the infinities,
 *   cycles, and anything nested deeper than {@link MAX_JSON_DEPTH}; `event_too_large` for more than `maxValues`
 */
export function cloneJson(value: unknown, maxValues: number = MAX_JSON_VALUES): JsonValue {
  valuesLeft = maxValues;
  return clone(value, "", 0);
}

function refuse(path: string, what: string): never {
  throw new ValidationError(
    "event_not_json",
    `An event must be JSON, but ${path === "" ? "it" : `its field ${path}`} ${what}.`,
  );
}

function count(values: number): void {
  valuesLeft -= values;
  if (valuesLeft >= 0) return;
  throw new ValidationError(
    "event_too_large",
    `An event holds at most ${MAX_JSON_VALUES} values, however small; give what has more as one text, or store it with putBlob and refer to it.`,
  );
}

function clone(value: unknown, path: string, depth: number): JsonValue {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      return Number.isFinite(value) ? value + 0 : refuse(path, `is ${value}`);
    case "object":
      return value === null ? null : cloneObject(value, path, depth);
    default:
      return refuse(path, `is of type ${typeof value}`);
  }
}

function cloneObject(source: object, path: string, depth: number): JsonValue {
  // A cycle is a value of endless depth, so one limit catches both without a set of visited objects.
  if (depth >= MAX_JSON_DEPTH)
    refuse(path.slice(0, 80), `is nested deeper than ${MAX_JSON_DEPTH} levels, or refers to itself`);
  if (Array.isArray(source)) {
    count(source.length);
    return source.map((item, index) => (item === undefined ? null : clone(item, `${path}[${index}]`, depth + 1)));
  }
  if (typeof (source as { toJSON?: unknown }).toJSON === "function") {
    return clone((source as { toJSON(): unknown }).toJSON(), path, depth + 1);
  }
  const copy: Record<string, JsonValue> = {};
  const keys = Object.keys(source);
  count(keys.length);
  for (const key of keys) copyField(source as Record<string, unknown>, copy, key, path, depth);
  return copy;
}

function copyField(
  source: Readonly<Record<string, unknown>>,
  copy: Record<string, JsonValue>,
  key: string,
  path: string,
  depth: number,
): void {
  const item = source[key];
  if (item === undefined) return;
  const cloned = typeof item === "string" ? item : clone(item, path === "" ? key : `${path}.${key}`, depth + 1);
  // An assignment to `__proto__` would set the prototype and lose the field.
  if (key === "__proto__")
    Object.defineProperty(copy, key, { value: cloned, enumerable: true, configurable: true, writable: true });
  else copy[key] = cloned;
}

/**
 * Copies the fields of an object into `target`, as {@link cloneJson} would copy them, but for those that are `omitted`.
 *
 * @throws ValidationError `event_not_json`, `event_too_large`
 */
export function cloneFieldsInto(target: Record<string, JsonValue>, source: object, omitted: ReadonlySet<string>): void {
  valuesLeft = MAX_JSON_VALUES;
  for (const key of Object.keys(source))
    if (!omitted.has(key)) copyField(source as Record<string, unknown>, target, key, "", 0);
}
