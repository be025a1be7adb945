import { ValidationError } from "../../errors.ts";

/** Where a store lies: a server, a database and a schema in it. @experimental */
export interface PostgresTarget {
  /** As it is given to the driver; may hold a password. */
  readonly url: string;
  /** Plain enough to stand in SQL as it is. */
  readonly schema: string;
  /** How messages name it: without user and password. */
  readonly name: string;
}

export const DEFAULT_SCHEMA = "skein";

/** What Postgres takes without quotes, in 63 bytes. */
const SCHEMA = /^[a-z_][a-z0-9_]{0,62}$/;

/**
 * Takes a URL apart; `?schema=…` in it names the schema, unless the option does.
 *
 * @throws ValidationError `invalid_option`
 * @experimental
 */
export function parsePostgresUrl(url: string, schemaOption?: string): PostgresTarget {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || (parsed.protocol !== "postgres:" && parsed.protocol !== "postgresql:")) {
    throw new ValidationError(
      "invalid_option",
      "The address of a Postgres store looks like postgres://user@host:5432/database; what was given does not.",
    );
  }
  const schema = schemaOption ?? parsed.searchParams.get("schema") ?? DEFAULT_SCHEMA;
  if (!SCHEMA.test(schema) || schema.startsWith("pg_")) {
    throw new ValidationError(
      "invalid_option",
      `A schema is 1 to 63 of a-z, 0-9 and _, beginning with none of 0-9 and not with pg_, not ${JSON.stringify(schema)}.`,
    );
  }
  parsed.searchParams.delete("schema");
  const database = decodeURIComponent(parsed.pathname.slice(1));
  const host = parsed.host === "" ? (parsed.searchParams.get("host") ?? "localhost") : parsed.host;
  const place = schema === DEFAULT_SCHEMA ? "" : `, schema ${schema}`;
  return { url: parsed.href, schema, name: `postgres://${host}/${database}${place}` };
}
