import type { BoxEvent, JsonValue } from "../event.ts";
import type { Delta } from "./delta-tail.ts";
import { DeltaTail, isDelta } from "./delta-tail.ts";
import type { KnownSecret } from "./secret-matcher.ts";
import { isLongerThan } from "../json-size.ts";
import { SecretMatcher } from "./secret-matcher.ts";

/**
 * Takes secrets out of events before they are stored (L9). One redactor serves many runs; each run gets a redaction
 * of its own, for what a delta's end holds back belongs to that run alone.
 */
export interface Redactor {
  begin(): Redaction;
}

/** The redaction of one run. */
export interface Redaction {
  /** The bodies that can be stored now, in order; a delta whose end could begin a secret gives that end with a later call. */
  push(body: BoxEvent): BoxEvent[];
  /**
   * As `push`, for a large body in steps of about a millisecond, between which others get their turn. Nothing has changed before the last step,
   * so it may be given up. A redaction without it takes a large body in one go.
   */
  pushInSteps?(body: BoxEvent): Iterator<unknown, BoxEvent[]>;
  /** What is still held back. */
  flush(): BoxEvent[];
}

export interface RedactorOptions {
  /** Values that must never be stored, such as the keys that a run was given. Shorter than 4 characters are ignored. */
  readonly secrets?: readonly (string | KnownSecret)[];
  /** Environment to take secrets from: values of at least 8 characters whose names look like one. Default: none. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const SECRET_NAME = /(KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|AUTH|PRIVATE)/i;

/** Whether what has this name is likely a secret. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}
const MIN_SECRET = 4;
const MIN_ENV_SECRET = 8;

/** So much is redacted in one step. */
const STEP_CHARACTERS = 128 * 1024;

function collectSecrets({ secrets = [], env = {} }: RedactorOptions): KnownSecret[] {
  const found = new Map<string, KnownSecret>();
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && value.length >= MIN_ENV_SECRET && isSecretName(name)) found.set(value, { name, value });
  }
  for (const secret of secrets) {
    const known = typeof secret === "string" ? { name: "secret", value: secret } : secret;
    if (known.value.length >= MIN_SECRET && !found.has(known.value)) found.set(known.value, known);
  }
  return [...found.values()];
}

/**
 * The built-in redactor: the secrets that it is given, the environment's, and well-known shapes of tokens and private keys.
 * A marker names what stood there: `[redacted:OPENAI_API_KEY]`.
 *
 * @stable
 */
export function createRedactor(options: RedactorOptions = {}): Redactor {
  const matcher = new SecretMatcher(collectSecrets(options));
  return { begin: () => new RunRedaction(matcher) };
}

class RunRedaction implements Redaction {
  readonly #matcher: SecretMatcher;
  #tail: DeltaTail;

  constructor(matcher: SecretMatcher) {
    this.#matcher = matcher;
    this.#tail = new DeltaTail(matcher);
  }

  push(body: BoxEvent): BoxEvent[] {
    if (!isDelta(body)) {
      const held = this.flush();
      held.push(redactStrings(body, this.#matcher));
      return held;
    }
    const delta: Delta = body;
    if (this.#tail.takes(delta)) return this.#tail.push(delta);
    return [...this.flush(), ...this.#tail.push(delta)];
  }

  *pushInSteps(body: BoxEvent): Generator<undefined, BoxEvent[]> {
    if (!isDelta(body)) {
      const redacted = yield* redactStringsInSteps(body, this.#matcher);
      return [...this.flush(), redacted];
    }
    if (this.#tail.takes(body)) return yield* this.#tail.pushInSteps(body);
    const tail = new DeltaTail(this.#matcher);
    const released = yield* tail.pushInSteps(body);
    const held = this.flush();
    this.#tail = tail;
    return [...held, ...released];
  }

  flush(): BoxEvent[] {
    return this.#tail.flush();
  }
}

/** A copy with every string, and every key inside the body's values, redacted; the type, the turn and our own ids stay. */
function redactStrings(body: BoxEvent, matcher: SecretMatcher): BoxEvent {
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(body)) {
    const value = (body as unknown as Record<string, JsonValue>)[key] as JsonValue;
    copy[key] = isOurs(key) ? value : redactValue(value, matcher);
  }
  return copy as unknown as BoxEvent;
}

function* redactStringsInSteps(body: BoxEvent, matcher: SecretMatcher): Generator<undefined, BoxEvent> {
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(body)) {
    const value = (body as unknown as Record<string, JsonValue>)[key] as JsonValue;
    copy[key] = isOurs(key) ? value : yield* redactValueInSteps(value, matcher);
  }
  return copy as unknown as BoxEvent;
}

const isOurs = (key: string): boolean => key === "type" || key === "turn";

function redactValue(value: JsonValue, matcher: SecretMatcher): JsonValue {
  if (typeof value === "string") return matcher.replace(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item: JsonValue) => redactValue(item, matcher));
  const copy: Record<string, JsonValue> = {};
  for (const key of Object.keys(value))
    setField(copy, matcher.replace(key), redactValue((value as Fields)[key] as JsonValue, matcher));
  return copy;
}

/** As {@link redactValue}; what is small in it is one step. */
function* redactValueInSteps(value: JsonValue, matcher: SecretMatcher): Generator<undefined, JsonValue> {
  if (!isLongerThan(value, STEP_CHARACTERS)) {
    yield;
    return redactValue(value, matcher);
  }
  if (typeof value === "string") return yield* matcher.replaceInSteps(value);
  if (Array.isArray(value)) {
    const items: JsonValue[] = [];
    for (const item of value as readonly JsonValue[]) items.push(yield* redactValueInSteps(item, matcher));
    return items;
  }
  const copy: Record<string, JsonValue> = {};
  for (const [key, item] of Object.entries(value as Fields))
    setField(copy, matcher.replace(key), yield* redactValueInSteps(item, matcher));
  return copy;
}

type Fields = Readonly<Record<string, JsonValue>>;

/** An assignment to `__proto__` would set the prototype and lose the field. */
function setField(copy: Record<string, JsonValue>, name: string, item: JsonValue): void {
  if (name === "__proto__")
    Object.defineProperty(copy, name, { value: item, enumerable: true, configurable: true, writable: true });
  else copy[name] = item;
}
