import pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import { NO_RUN } from "../run-state.ts";
import { AppendQueue } from "./append-queue.ts";
import type { AppendRequest, SessionBeginning } from "./append-queue.ts";
import { toAppendStatement } from "./append-statement.ts";
import { openPostgresStore } from "./index.ts";
import { shareServer } from "./postgres-server.test.support.ts";

let url = "";
beforeAll(async () => {
  url = await shareServer();
});

const schema = `plans_${process.pid}`;
const ignore = (): void => {};

const toRequest = (more: Partial<AppendRequest>): AppendRequest => ({
  firstSeq: 1,
  lines: ["{}"],
  at: 1,
  digests: [],
  settle: ignore,
  fail: ignore,
  ...more,
});

const begins: SessionBeginning = {
  about: { id: "begun", kind: "task" },
  owner: '"owner"',
  ownerProcess: null,
  leaseMs: 1_000,
  token: "token",
  lines: ["{}"],
  state: NO_RUN,
  digests: [],
};

describe("the statement that appends", () => {
  it.each([
    ["events", {}],
    ["events beside a session that begins", { begins }],
    ["events that refer to a blob", { digests: ["a".repeat(64)] }],
  ])("is planned a few times for each connection, and looks sessions up by their keys: %s", async (_what, more) => {
    await using _store = await openPostgresStore(url, { schema });
    const shares = [11, 12, 13].map((key) => ({
      queue: new AppendQueue(key, 1, 1_000),
      requests: [toRequest(more)],
      characters: 2,
    }));
    const { text, parameters } = toAppendStatement(shares, "on");
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      const statement = { name: "append", text: text.replaceAll("{s}", schema), values: [...parameters] };
      for (let time = 0; time < 7; time++) await client.query(statement);
      const { rows } = await client.query("SELECT generic_plans::integer AS kept FROM pg_prepared_statements");
      // Postgres makes five plans for the very values before it compares them with one for any.
      expect(rows).toEqual([{ kept: 2 }]);
      const values = parameters.map((value) => client.escapeLiteral(toLiteral(value))).join(", ");
      const explained = await client.query({ text: `EXPLAIN EXECUTE append(${values})`, rowMode: "array" });
      const plan = explained.rows.flat().join("\n");
      expect(plan).toContain("Index Scan using sessions_pkey on sessions");
      expect(plan).not.toContain("Seq Scan on sessions");
    } finally {
      await client.end();
    }
  });
});

/** As the driver sends it. */
function toLiteral(value: unknown): string {
  if (!Array.isArray(value)) return String(value);
  return `{${value.map((one) => (one === null ? "NULL" : JSON.stringify(String(one)))).join(",")}}`;
}
