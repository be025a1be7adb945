import { PEM_BEGIN, PEM_OPEN, PEM_PATTERN, SECRET_SHAPES } from "./secret-shapes.ts";

/** A value that must not be stored, with the name that its marker shows. */
export interface KnownSecret {
  readonly name: string;
  readonly value: string;
}

const escape = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");

/** A token does not begin inside a word: "task-…" holds no "sk-…". */
const NOT_IN_WORD = "(?<![A-Za-z0-9])";

/** How much of a known secret is compared before the whole of it is. */
const COMPARED = 4;

/** The characters of all shapes, by their code. */
const TOKEN_CODES: readonly boolean[] = Array.from({ length: 128 }, (_, code) =>
  /[A-Za-z0-9._~+/=-]/.test(String.fromCharCode(code)),
);

/** The longest prefix that holds a character that is in no token: `Bearer `, with the character before it. */
const BEFORE_TOKEN = 8;

/** A word that is longer is rather data than a token: it is looked at as a whole, for all that a secret begins with, before it is walked through. */
const LONG_WORD = 64 * 1024;

/** As much of a long text is searched in one step: a millisecond of work. */
const STEP_CHARACTERS = 128 * 1024;

/** Where the last word of a text begins that could be an open token, with room for what may stand before it; the text's length where there is none. */
function tokenStart(text: string, anyBeginning: RegExp): number {
  let start = text.length;
  const far = Math.max(0, start - LONG_WORD);
  while (start > far && TOKEN_CODES[text.charCodeAt(start - 1)] === true) start--;
  if (start === far && far > 0 && !anyBeginning.test(text)) return text.length;
  while (start > 0 && TOKEN_CODES[text.charCodeAt(start - 1)] === true) start--;
  if (start === text.length && !text.endsWith("Bearer ")) return start;
  return Math.max(0, start - BEFORE_TOKEN);
}

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
  /** The same, at one place. */
  readonly #everythingHere: RegExp;
  /** Something that every secret begins with. Where it is not found, and that is nearly always, nothing else need be looked for. */
  readonly #anyBeginning: RegExp;
  /** Everything that a secret begins with, as it is: searched where the one above finds one of its characters, still much faster than all shapes. */
  readonly #beginning: RegExp;
  /** … and one after the other. */
  readonly #nextBeginning: RegExp;
  readonly #longestBeginning: number;
  readonly #openToken: RegExp;
  /** Every text that a secret or a shape may begin with, by its first character, to recognise half of it at the end of a delta. */
  readonly #beginnings: ReadonlyMap<number, readonly string[]>;
  readonly #longest: number;

  constructor(secrets: readonly KnownSecret[]) {
    // The longest first: a secret that contains another one is replaced as a whole.
    this.#known = secrets.flatMap(writtenForms).sort((a, b) => b.value.length - a.value.length);
    const shapes = SECRET_SHAPES.map(
      ({ prefixes, characters, min }) => `${NOT_IN_WORD}(?:${prefixes.map(escape).join("|")})[${characters}]{${min},}`,
    );
    const sources = [...this.#known.map(({ value }) => escape(value)), PEM_PATTERN, ...shapes];
    this.#everything = new RegExp(sources.map((source) => `(${source})`).join("|"), "g");
    this.#everythingHere = new RegExp(this.#everything, "y");
    const beginnings = [
      ...this.#known.map(({ value }) => value.slice(0, COMPARED)),
      PEM_BEGIN,
      ...SECRET_SHAPES.flatMap(({ prefixes }) => prefixes),
    ];
    // One class is searched faster than ten words, and nearly every issuer's prefix has one of these two in it.
    const words = beginnings.filter((text) => !/[-_]/.test(text));
    this.#anyBeginning = new RegExp(["[-_]", ...new Set(words.map(escape))].join("|"));
    this.#beginning = new RegExp([...new Set(beginnings.map(escape))].join("|"));
    this.#nextBeginning = new RegExp(this.#beginning, "g");
    this.#longestBeginning = Math.max(...beginnings.map((text) => text.length));
    const open = SECRET_SHAPES.map(
      ({ prefixes, characters }) => `${NOT_IN_WORD}(?:${prefixes.map(escape).join("|")})[${characters}]*`,
    );
    this.#openToken = new RegExp(`(?:${open.join("|")})$`);
    const whole = [
      ...this.#known.map(({ value }) => value),
      PEM_BEGIN,
      ...SECRET_SHAPES.flatMap(({ prefixes }) => prefixes),
    ];
    const byFirst = new Map<number, string[]>();
    for (const text of whole) byFirst.set(text.charCodeAt(0), [...(byFirst.get(text.charCodeAt(0)) ?? []), text]);
    this.#beginnings = byFirst;
    this.#longest = Math.max(0, ...whole.map((text) => text.length));
  }

  /** The text with a marker in place of every secret; the same string where there is none. */
  replace(text: string): string {
    if (!this.#anyBeginning.test(text) || !this.#beginning.test(text)) return text;
    return text.replace(this.#everything, (...groups) => this.#marker(groups));
  }

  /**
   * What {@link replace} gives, for a text of any length in steps: whatever a secret begins with is looked for in one stretch after the other,
   * and a secret only where one may begin. A secret that reaches over the end of a stretch is matched in the whole text.
   */
  *replaceInSteps(text: string): Generator<undefined, string> {
    const kept: string[] = [];
    let keptTo = 0;
    for (let from = 0; from < text.length; yield) {
      const end = Math.min(text.length, from + STEP_CHARACTERS);
      const stretch = text.slice(from, end + this.#longestBeginning - 1);
      let next = end;
      this.#nextBeginning.lastIndex = 0;
      for (let found = this.#nextBeginning.exec(stretch); found !== null; found = this.#nextBeginning.exec(stretch)) {
        const at = from + found.index;
        this.#everythingHere.lastIndex = at;
        const secret = at < end ? this.#everythingHere.exec(text) : null;
        // One may begin inside of what only looked like the beginning of another.
        this.#nextBeginning.lastIndex = found.index + (secret?.[0].length ?? 1);
        if (secret === null) continue;
        kept.push(text.slice(keptTo, at), this.#marker(secret));
        keptTo = at + secret[0].length;
        next = Math.max(end, keptTo);
      }
      from = next;
    }
    return keptTo === 0 ? text : kept.join("") + text.slice(keptTo);
  }

  #marker(groups: readonly unknown[]): string {
    return `[redacted:${this.#nameOf(groups)}]`;
  }

  #nameOf(groups: readonly unknown[]): string {
    const group = groups.findIndex((value, index) => index > 0 && typeof value === "string") - 1;
    if (group < this.#known.length) return this.#known[group]?.name ?? "secret";
    return group === this.#known.length
      ? "private-key"
      : (SECRET_SHAPES[group - this.#known.length - 1]?.name ?? "secret");
  }

  /**
   * Where the tail begins that could be the start of a secret; the text's length where there is none.
   * What stands before it can be let go.
   */
  tailStart(text: string): number {
    let start = text.length;
    const from = tokenStart(text, this.#anyBeginning);
    const token = from === text.length ? null : this.#openToken.exec(from === 0 ? text : text.slice(from));
    if (token !== null) start = from + token.index;
    // Searched from the front, a character that is rare is found much faster than from the end.
    const key = text.includes(PEM_BEGIN) ? text.lastIndexOf(PEM_BEGIN) : -1;
    if (key !== -1 && key < start && PEM_OPEN.test(text.slice(key))) start = key;
    for (let index = Math.max(0, text.length - this.#longest); index < start; index++) {
      if (!this.#mayBegin(text, index)) continue;
      // The end of a whole secret may look like the beginning of another: it is whole all the same.
      const whole = this.#lastWholeSecret(text, start);
      if (whole <= index) return index;
      index = whole - 1;
    }
    return start;
  }

  #mayBegin(text: string, index: number): boolean {
    const candidates = this.#beginnings.get(text.charCodeAt(index));
    if (candidates === undefined) return false;
    const tail = text.slice(index);
    return candidates.some((beginning) => beginning.length > tail.length && beginning.startsWith(tail));
  }

  /** Where the last whole secret before `end` ends; 0 where there is none. */
  #lastWholeSecret(text: string, end: number): number {
    if (!this.#anyBeginning.test(text)) return 0;
    let last = 0;
    for (const match of text.matchAll(this.#everything)) {
      const after = match.index + match[0].length;
      if (after <= end) last = after;
    }
    return last;
  }
}
