import { PEM_BEGIN, PEM_OPEN, PEM_PATTERN, SECRET_SHAPES } from "./secret-shapes.ts";

/** A value that must not be stored, with the name that its marker shows. */
export interface KnownSecret {
  readonly name: string;
  readonly value: string;
}

const escape = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");

/** A token does not begin inside a word: "task-…" holds no "sk-…". */
const NOT_IN_WORD = "(?<![A-Za-z0-9])";

/** The forms in which a secret may stand in a text: as it is, and as the inside of a JSON string. */
function writtenForms(secret: KnownSecret): KnownSecret[] {
  const inJson = JSON.stringify(secret.value).slice(1, -1);
  return inJson === secret.value ? [secret] : [secret, { name: secret.name, value: inJson }];
}

/**
 * Finds secrets in text, and the beginning of one at a text's end. Compiled once; holds no state between calls.
 */
export class SecretMatcher {
  readonly #known: readonly KnownSecret[];
  readonly #everything: RegExp;
  readonly #openToken: RegExp;
  /** Every text that a secret or a shape may begin with, to recognise half of it at the end of a delta. */
  readonly #beginnings: readonly string[];
  readonly #firstCharacters: ReadonlySet<string>;
  readonly #longest: number;

  constructor(secrets: readonly KnownSecret[]) {
    // The longest first: a secret that contains another one is replaced as a whole.
    this.#known = secrets.flatMap(writtenForms).sort((a, b) => b.value.length - a.value.length);
    const shapes = SECRET_SHAPES.map(
      ({ prefixes, characters, min }) => `${NOT_IN_WORD}(?:${prefixes.map(escape).join("|")})[${characters}]{${min},}`,
    );
    const sources = [...this.#known.map(({ value }) => escape(value)), PEM_PATTERN, ...shapes];
    this.#everything = new RegExp(sources.map((source) => `(${source})`).join("|"), "g");
    const open = SECRET_SHAPES.map(
      ({ prefixes, characters }) => `${NOT_IN_WORD}(?:${prefixes.map(escape).join("|")})[${characters}]*`,
    );
    this.#openToken = new RegExp(`(?:${open.join("|")})$`);
    this.#beginnings = [...this.#known.map(({ value }) => value), PEM_BEGIN, ...SECRET_SHAPES.flatMap(({ prefixes }) => prefixes)];
    this.#firstCharacters = new Set(this.#beginnings.map((text) => text.charAt(0)));
    this.#longest = Math.max(0, ...this.#beginnings.map((text) => text.length));
  }

  /** The text with a marker in place of every secret; the same string where there is none. */
  replace(text: string): string {
    return text.replace(this.#everything, (...groups) => `[redacted:${this.#nameOf(groups)}]`);
  }

  #nameOf(groups: unknown[]): string {
    const group = groups.findIndex((value, index) => index > 0 && typeof value === "string") - 1;
    if (group < this.#known.length) return this.#known[group]?.name ?? "secret";
    return group === this.#known.length ? "private-key" : (SECRET_SHAPES[group - this.#known.length - 1]?.name ?? "secret");
  }

  /**
   * Where the tail begins that could be the start of a secret; the text's length where there is none.
   * What stands before it can be let go.
   */
  tailStart(text: string): number {
    let start = text.length;
    const token = this.#openToken.exec(text);
    if (token !== null) start = token.index;
    const key = text.lastIndexOf(PEM_BEGIN);
    if (key !== -1 && key < start && PEM_OPEN.test(text.slice(key))) start = key;
    for (let index = Math.max(0, text.length - this.#longest); index < start; index++) {
      if (!this.#firstCharacters.has(text.charAt(index))) continue;
      const tail = text.slice(index);
      if (this.#beginnings.some((beginning) => beginning.length > tail.length && beginning.startsWith(tail))) return index;
    }
    return start;
  }
}
