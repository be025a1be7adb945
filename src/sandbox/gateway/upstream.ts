import { ValidationError } from "../../errors.ts";
import type { ModelApi } from "../box-gateway.ts";
import type { GatewayUpstream } from "./gateway-options.ts";
import { API_FACTS } from "./model-api.ts";

/** An upstream with everything decided. */
export interface Upstream {
  readonly name: string;
  readonly api: ModelApi;
  readonly baseUrl: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** What must never be seen outside this process. */
  readonly secrets: readonly string[];
}

/** @throws ValidationError `invalid_option` */
export function toUpstreams(upstreams: readonly GatewayUpstream[]): ReadonlyMap<string, Upstream> {
  const result = new Map<string, Upstream>();
  for (const upstream of upstreams) {
    const { api, name = api, key, headers = {} } = upstream;
    const refuse = (why: string): never => {
      throw new ValidationError("invalid_option", `The upstream ${JSON.stringify(name)} of the gateway ${why}.`);
    };
    if (!Object.hasOwn(API_FACTS, api))
      refuse(`speaks ${JSON.stringify(api)}, which is none of ${Object.keys(API_FACTS).join(", ")}`);
    if (!/^[a-z0-9][a-z0-9-]*$/.test(name)) refuse("has a name that is not of lower-case letters, digits and -");
    if (name === "mcp") refuse("has the name under which MCP servers are found; give it another");
    if (result.has(name)) refuse("is there twice; give one of them another name");
    const facts = API_FACTS[api];
    const text = upstream.baseUrl ?? facts.baseUrl;
    const baseUrl = URL.canParse(text) ? new URL(text) : refuse("has a base URL that is none");
    if (baseUrl.protocol !== "https:" && baseUrl.protocol !== "http:")
      refuse("has a base URL that is not http or https");
    if (baseUrl.username !== "" || baseUrl.password !== "")
      refuse("has a password in its base URL; give it as key or in headers");
    if (key === "" || (key !== undefined && /[^\x20-\x7e]/.test(key))) refuse("has a key that no header can carry");
    result.set(name, {
      name,
      api,
      baseUrl,
      headers: { ...(key === undefined ? {} : facts.toAuthHeaders(key)), ...lowerCase(headers) },
      secrets: key === undefined ? [] : [key],
    });
  }
  return result;
}

/** Where a request goes: the upstream's base with the path behind the name, which cannot lead out of the base. */
export function toTarget(upstream: Upstream, rest: string, search: string): URL | undefined {
  const base = upstream.baseUrl.pathname.replace(/\/+$/, "");
  const target = new URL(upstream.baseUrl);
  target.pathname = `${base}/${rest.replace(/^\/+/, "")}`;
  const query = new URLSearchParams(search);
  // Gemini takes its key in the query, too.
  query.delete("key");
  target.search = query.toString();
  return target.pathname === base || target.pathname.startsWith(`${base}/`) ? target : undefined;
}

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
