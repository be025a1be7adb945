import type { BoxGatewayAddress, ModelApi } from "../box-gateway.ts";

/** Where an upstream is, as its API's programs want to be told: some put the version in front of the path themselves. */
export function toUpstreamUrl(address: BoxGatewayAddress, name: string): string {
  return `http://127.0.0.1:${address.port}/${name}`;
}

const VARIABLES: Readonly<Record<ModelApi, (url: string, token: string) => Record<string, string>>> = {
  openai: (url, token) => ({ OPENAI_BASE_URL: url, OPENAI_API_KEY: token }),
  anthropic: (url, token) => ({ ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: token }),
  gemini: (url, token) => ({ GOOGLE_GEMINI_BASE_URL: url, GEMINI_API_KEY: token, GOOGLE_API_KEY: token }),
};

/** What programs in a box look at to find models and the way out: the addresses are the gateway's, the keys are placeholders. */
export function toGatewayEnvironment(address: BoxGatewayAddress | undefined): Record<string, string> {
  if (address === undefined) return {};
  const env: Record<string, string> = {};
  for (const { name, api } of address.upstreams) {
    // The first of several that speak alike is the one that programs find by themselves.
    const own = VARIABLES[api](toUpstreamUrl(address, name), address.token);
    for (const [key, value] of Object.entries(own)) env[key] ??= value;
  }
  if (!address.isProxy) return env;
  const proxy = `http://skein:${address.token}@127.0.0.1:${address.port}`;
  const near = "127.0.0.1,localhost,::1";
  return {
    ...env,
    HTTP_PROXY: proxy,
    HTTPS_PROXY: proxy,
    http_proxy: proxy,
    https_proxy: proxy,
    NO_PROXY: near,
    no_proxy: near,
  };
}
