/**
 * Secrets that are recognised by their look. Each is a prefix and the characters that go on, so that
 * the beginning of one at the end of a delta can be recognised too.
 */
export interface SecretShape {
  readonly name: string;
  readonly prefixes: readonly string[];
  /** One character of the rest, as the inside of a regular expression's class. */
  readonly characters: string;
  /** Fewest characters after the prefix. */
  readonly min: number;
}

/** Prefixes as their issuers document them (GitHub, GitLab, AWS, Google, Slack, Stripe, npm, OpenAI, Anthropic, RFC 7519, RFC 6750). */
export const SECRET_SHAPES: readonly SecretShape[] = [
  { name: "api-key", prefixes: ["sk-"], characters: "A-Za-z0-9_-", min: 20 },
  { name: "stripe-key", prefixes: ["sk_live_", "sk_test_", "rk_live_", "rk_test_"], characters: "A-Za-z0-9", min: 16 },
  { name: "github-token", prefixes: ["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], characters: "A-Za-z0-9", min: 36 },
  { name: "github-token", prefixes: ["github_pat_"], characters: "A-Za-z0-9_", min: 22 },
  { name: "gitlab-token", prefixes: ["glpat-"], characters: "A-Za-z0-9_-", min: 20 },
  { name: "npm-token", prefixes: ["npm_"], characters: "A-Za-z0-9", min: 36 },
  { name: "aws-access-key", prefixes: ["AKIA", "ASIA"], characters: "A-Z0-9", min: 16 },
  { name: "google-key", prefixes: ["AIza"], characters: "A-Za-z0-9_-", min: 35 },
  { name: "slack-token", prefixes: ["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-"], characters: "A-Za-z0-9-", min: 10 },
  { name: "jwt", prefixes: ["eyJ"], characters: "A-Za-z0-9_.-", min: 60 },
  { name: "bearer-token", prefixes: ["Bearer "], characters: "A-Za-z0-9._~+/=-", min: 20 },
];

/** A private key in PEM: from its first line to its last. */
export const PEM_BEGIN = "-----BEGIN ";
export const PEM_PATTERN = "-----BEGIN [A-Z ]*PRIVATE KEY-----[\\s\\S]*?-----END [A-Z ]*PRIVATE KEY-----";
/** The end of a text inside a private key, or inside the line that may begin one. */
export const PEM_OPEN =
  /-----BEGIN (?:[A-Z ]{0,40}|[A-Z ]{0,40}PRIVATE KEY-{0,4}|[A-Z ]{0,40}PRIVATE KEY-----[\s\S]*)$/;
