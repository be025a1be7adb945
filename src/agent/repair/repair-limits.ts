/** How much one turn may cost, and what one command may do. */
export interface RepairLimits {
  /** Edits that one turn may test. */
  readonly tries: number;
  /** Seconds that the tests of one turn's tries may take together. */
  readonly seconds: number;
  /** Seconds after which one command is killed, however little of the turn is used up. */
  readonly commandSeconds: number;
  /** Bytes of output after which one command is killed. */
  readonly outputBytes: number;
  /** Absent: a fresh one for every turn, so that independent samples and forks look at different edits first. */
  readonly seed?: string;
}

const DEFAULTS = { tries: 40, seconds: 30, commandSeconds: 20, outputBytes: 4 * 1024 * 1024 };

/**
 * Reads the limits from the environment; `overrides` (the `skein/repair` entry of a request's `_meta`) goes before it.
 * A value that is no positive number is passed over: an agent that cannot be asked about it does better with its default.
 */
export function parseRepairLimits(
  env: Readonly<Record<string, string | undefined>>,
  ...overrides: readonly unknown[]
): RepairLimits {
  const given = Object.assign({}, ...overrides.filter(isRecord)) as Record<string, unknown>;
  const pick = (key: "tries" | "seconds" | "commandSeconds", variable: string): number =>
    toPositive(given[key]) ?? toPositive(env[variable]) ?? DEFAULTS[key];
  const seed = given["seed"] ?? env["SKEIN_REPAIR_SEED"];
  return {
    tries: Math.ceil(pick("tries", "SKEIN_REPAIR_TRIES")),
    seconds: pick("seconds", "SKEIN_REPAIR_SECONDS"),
    commandSeconds: pick("commandSeconds", "SKEIN_REPAIR_COMMAND_SECONDS"),
    outputBytes: DEFAULTS.outputBytes,
    ...(seed === undefined || seed === "" ? {} : { seed: String(seed) }),
  };
}

function toPositive(value: unknown): number | undefined {
  if (value === undefined || value === "") return undefined;
  const number = Number(value);
  return Number.isFinite(number) && number > 0 ? number : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
