import type { Hono } from "hono";
import { ValidationError } from "../../errors.ts";
import type { RequestEnv, ServerParts } from "../server-parts.ts";
import type { AccessScope, AccessTokens, IssueTokenOptions } from "./access-tokens.ts";
import { requireWrite } from "./request-guard.ts";
import { KeptAccessTokens } from "./token-folder.ts";

const MAX_NAME = 100;

/** Who calls, and the tokens that let callers in. */
export function addAccessRoutes(app: Hono<RequestEnv>, parts: ServerParts): void {
  const { store, limits } = parts;

  app.get("/api/access", (context) => {
    const { scope, name } = context.get("caller");
    return context.json({ scope, name, readOnly: store.capabilities.readOnly });
  });

  app.get("/api/tokens", (context) => {
    requireWrite(context.get("caller"));
    return context.json({ tokens: tokensOf(parts).list() });
  });

  app.post("/api/tokens", async (context) => {
    requireWrite(context.get("caller"));
    const tokens = tokensOf(parts);
    const options = parseIssue(await limits.readJson(context.req.raw));
    const issued = tokens instanceof KeptAccessTokens ? await tokens.issueKept(options) : tokens.issue(options);
    return context.json(issued, 201);
  });

  app.delete("/api/tokens/:id", async (context) => {
    requireWrite(context.get("caller"));
    const tokens = tokensOf(parts);
    const id = context.req.param("id");
    const isGone = tokens instanceof KeptAccessTokens ? await tokens.revokeKept(id) : tokens.revoke(id);
    if (!isGone) throw new ValidationError("token_unknown", `No token has the id ${JSON.stringify(id.slice(0, 80))}.`);
    return context.body(null, 204);
  });
}

function tokensOf({ tokens }: ServerParts): AccessTokens {
  if (tokens !== undefined) return tokens;
  throw new ValidationError(
    "token_unknown",
    "This server has no tokens: everybody who reaches it may come in, or its application decides who may.",
  );
}

function parseIssue(body: Readonly<Record<string, unknown>>): IssueTokenOptions {
  const { scope, name, expiresInMs } = body;
  const session = typeof scope === "object" && scope !== null ? (scope as { session?: unknown }).session : undefined;
  if (scope !== "write" && scope !== "read" && typeof session !== "string")
    throw new ValidationError("invalid_option", 'The body has a `scope`: "write", "read" or { "session": id }.');
  if (name !== undefined && (typeof name !== "string" || name.length > MAX_NAME))
    throw new ValidationError("invalid_option", `A token's name is a text of at most ${MAX_NAME} characters.`);
  if (expiresInMs !== undefined && (typeof expiresInMs !== "number" || !Number.isFinite(expiresInMs)))
    throw new ValidationError("invalid_option", "expiresInMs is a number of milliseconds above 0.");
  return {
    scope: (typeof session === "string" ? { session } : scope) as AccessScope,
    ...(name === undefined ? {} : { name }),
    ...(expiresInMs === undefined ? {} : { expiresInMs }),
  };
}
