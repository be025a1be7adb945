import type { ErrorObject, ValidateFunction } from "ajv";
import { ValidationError } from "../../errors.ts";
import type { Validator } from "../loop-types.ts";
import { nameOfPart } from "./name-of-part.ts";

/** What {@link jsonSchema} looks at. @stable */
export interface JsonSchemaOptions<Output> {
  /** Draft 2020-12; draft 07 where its `$schema` says so. `format` is not looked at: in JSON Schema it is a remark. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** The part of the output that is judged, as JSON. Default: the output itself. What it throws makes the output invalid: `(text) => JSON.parse(text)`. */
  select?(output: Output): unknown;
}

const MAX_NAMED_FAULTS = 5;
const MAX_NOTE_LENGTH = 2000;
const DRAFT_07 = /^https?:\/\/json-schema\.org\/draft-07\/schema#?$/;

/**
 * A validator that holds an output against a JSON Schema: valid with score 1, or invalid with score 0 and the faults in the notes.
 *
 * The score knows nothing in between, because the number of faults says little: an answer that is no object at all has only one.
 *
 * @throws ValidationError `invalid_option` for something that is no schema; what only compiling it shows fails the first verdict
 * @stable
 */
export function jsonSchema<Output>({ schema, select }: JsonSchemaOptions<Output>): Validator<Output> {
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) {
    throw new ValidationError(
      "invalid_option",
      'jsonSchema needs a schema that is an object, such as { type: "object", required: ["answer"] }.',
    );
  }
  let compiling: Promise<ValidateFunction> | undefined;
  return {
    name: `json-schema: ${nameOfPart(schema)}`,
    async validate(output) {
      const holds = await (compiling ??= compile(schema));
      let value: unknown;
      try {
        value = select === undefined ? output : select(output);
      } catch (error) {
        return {
          valid: false,
          score: 0,
          notes: shorten(`The output could not be read: ${error instanceof Error ? error.message : String(error)}`),
        };
      }
      if (holds(value)) return { valid: true, score: 1 };
      return { valid: false, score: 0, notes: describeFaults(holds.errors ?? []) };
    },
  };
}

/** The compiler is loaded with the first verdict: whoever imports the package and never asks for a schema does not pay for it. */
async function compile(schema: Readonly<Record<string, unknown>>): Promise<ValidateFunction> {
  // An unknown word in a schema is a slip; the stricter habits of the compiler would refuse schemas that are fine.
  const options = {
    allErrors: true,
    strictTypes: false,
    strictTuples: false,
    strictRequired: false,
    validateFormats: false,
  } as const;
  const { $schema } = schema;
  const isDraft07 = typeof $schema === "string" && DRAFT_07.test($schema);
  const compiler = isDraft07
    ? new (await import("ajv")).Ajv(options)
    : new (await import("ajv/dist/2020.js")).Ajv2020(options);
  try {
    return compiler.compile(schema);
  } catch (error) {
    throw new ValidationError(
      "invalid_option",
      `The schema given to jsonSchema cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

function describeFaults(faults: readonly ErrorObject[]): string {
  const named = faults.slice(0, MAX_NAMED_FAULTS).map(({ instancePath, message, params }) => {
    const extra: unknown = params["additionalProperty"] ?? params["unevaluatedProperty"];
    return `${instancePath === "" ? "the output" : instancePath} ${message ?? "is wrong"}${typeof extra === "string" ? ` (${extra})` : ""}`;
  });
  const more = faults.length - named.length;
  return shorten(`${named.join("; ")}${more > 0 ? `; and ${more} more` : ""}.`);
}

function shorten(notes: string): string {
  return notes.length > MAX_NOTE_LENGTH ? `${notes.slice(0, MAX_NOTE_LENGTH)}…` : notes;
}
