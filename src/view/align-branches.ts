import type { JsonValue, StoredEvent } from "../event/event.ts";
import { type EventBlock, groupEvents, readBlockText } from "./event-blocks.ts";

/** A row of two branches side by side; a side that has nothing there is absent. */
export interface AlignedRow {
  readonly left?: EventBlock;
  readonly right?: EventBlock;
  /** True where both say the same. */
  readonly same: boolean;
}

/** Where two branches part: the first event of each that the other does not have. */
export interface Parting {
  /** The row. */
  readonly row: number;
  readonly left?: StoredEvent;
  readonly right?: StoredEvent;
  /** Where both are texts: how many characters of them are the same. */
  readonly characters?: number;
}

export interface Alignment {
  readonly rows: readonly AlignedRow[];
  /** Absent where both are the same. */
  readonly parting?: Parting;
}

/** More pairs than this are not compared one by one: the rest then stands side by side as it came. */
const MAX_PAIRS = 4_000_000;

/**
 * Puts two logs side by side: first what is the same in both, then, from the first difference on, what is alike beside each other. Ids, times and
 * places are no difference, nor is how a text was cut into deltas.
 */
export function alignBranches(left: readonly StoredEvent[], right: readonly StoredEvent[]): Alignment {
  const one = groupEvents(left, { cutTexts: false });
  const other = groupEvents(right, { cutTexts: false });
  const oneKeys = one.map(describeBlock);
  const otherKeys = other.map(describeBlock);
  const rows: AlignedRow[] = [];
  let shared = 0;
  while (shared < one.length && shared < other.length && oneKeys[shared] === otherKeys[shared]) {
    rows.push({ left: one[shared] as EventBlock, right: other[shared] as EventBlock, same: true });
    shared++;
  }
  if (shared === one.length && shared === other.length) return { rows };
  const parting = findParting(one[shared], other[shared], shared);
  rows.push(...alignRest(one.slice(shared), other.slice(shared), oneKeys.slice(shared), otherKeys.slice(shared)));
  return { rows, parting };
}

/** What a block says, without what is different in every run. */
function describeBlock(block: EventBlock): string {
  if (block.kind === "text" || block.kind === "thought") return `${block.kind} ${readBlockText(block)}`;
  return `${block.kind} ${JSON.stringify(block.events.map(describeEvent))}`;
}

/** Fields that name a run, a box or a moment, and so differ between two that did the same. */
const NAMES = new Set([
  "seq",
  "at",
  "sessionId",
  "runId",
  "turn",
  "parent",
  "continues",
  "resumeToken",
  "toolCallId",
  "requestId",
  "boxId",
  "from",
  "conversationId",
  "checkpointId",
  "iterationSessionId",
  "turnId",
  "durationMs",
]);

function describeEvent(event: StoredEvent): JsonValue {
  const fields = Object.entries(event as unknown as Readonly<Record<string, JsonValue>>);
  return Object.fromEntries(fields.filter(([name]) => !NAMES.has(name)).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function findParting(left: EventBlock | undefined, right: EventBlock | undefined, row: number): Parting {
  if (left === undefined || right === undefined || left.kind !== right.kind || !isText(left)) {
    const place = firstDifference(left?.events ?? [], right?.events ?? []);
    const one = left?.events[place] ?? left?.events[0];
    const other = right?.events[place] ?? right?.events[0];
    return { row, ...(one === undefined ? {} : { left: one }), ...(other === undefined ? {} : { right: other }) };
  }
  const [one, other] = [readBlockText(left), readBlockText(right)];
  let characters = 0;
  while (characters < one.length && characters < other.length && one[characters] === other[characters]) characters++;
  return { row, left: eventAt(left, characters), right: eventAt(right, characters), characters };
}

const isText = ({ kind }: EventBlock): boolean => kind === "text" || kind === "thought";

function firstDifference(left: readonly StoredEvent[], right: readonly StoredEvent[]): number {
  const describe = (event: StoredEvent | undefined): string =>
    event === undefined ? "" : JSON.stringify(describeEvent(event));
  let at = 0;
  while (at < left.length && at < right.length && describe(left[at]) === describe(right[at])) at++;
  return at;
}

/** The delta that a character of a block's text came with; the last one where the text is over. */
function eventAt(block: EventBlock, character: number): StoredEvent {
  let before = 0;
  for (const event of block.events) {
    if (event.type === "text.delta" || event.type === "reasoning.delta") before += event.text.length;
    if (before > character) return event;
  }
  return block.events.at(-1) as StoredEvent;
}

/** How alike two blocks are: what both sides have in the same order stands beside each other. */
function alignRest(
  left: readonly EventBlock[],
  right: readonly EventBlock[],
  leftKeys: readonly string[],
  rightKeys: readonly string[],
): AlignedRow[] {
  const rows: AlignedRow[] = [];
  if (left.length * right.length > MAX_PAIRS) {
    for (let at = 0; at < Math.max(left.length, right.length); at++) rows.push(toRow(left[at], right[at], false));
    return rows;
  }
  const kinds = [left.map(describeKind), right.map(describeKind)] as const;
  const scoreOf = (a: number, b: number): number =>
    leftKeys[a] === rightKeys[b] ? 3 : kinds[0][a] === kinds[1][b] ? 1 : 0;
  // The best sum of scores for what is left of both, from the end.
  const width = right.length + 1;
  const best = new Uint32Array((left.length + 1) * width);
  for (let a = left.length - 1; a >= 0; a--) {
    for (let b = right.length - 1; b >= 0; b--) {
      const score = scoreOf(a, b);
      const paired = score === 0 ? 0 : score + (best[(a + 1) * width + b + 1] ?? 0);
      best[a * width + b] = Math.max(paired, best[(a + 1) * width + b] ?? 0, best[a * width + b + 1] ?? 0);
    }
  }
  let a = 0;
  let b = 0;
  while (a < left.length || b < right.length) {
    const now = best[a * width + b] ?? 0;
    const score = a < left.length && b < right.length ? scoreOf(a, b) : 0;
    if (score > 0 && now === score + (best[(a + 1) * width + b + 1] ?? 0)) {
      rows.push(toRow(left[a], right[b], score === 3));
      a++;
      b++;
    } else if (b >= right.length || (a < left.length && now === (best[(a + 1) * width + b] ?? 0))) {
      rows.push(toRow(left[a], undefined, false));
      a++;
    } else {
      rows.push(toRow(undefined, right[b], false));
      b++;
    }
  }
  return rows;
}

function describeKind(block: EventBlock): string {
  const [event] = block.events;
  if (event?.type === "tool.started" || event?.type === "tool.ended") return `tool ${event.toolName}`;
  return event?.type === "artifact.created" ? `artifact ${event.name}` : `${block.kind} ${event?.type ?? ""}`;
}

function toRow(left: EventBlock | undefined, right: EventBlock | undefined, same: boolean): AlignedRow {
  return { ...(left === undefined ? {} : { left }), ...(right === undefined ? {} : { right }), same };
}

/** An iteration as far as descent goes. */
interface Descendant {
  readonly index: number;
  readonly parentIndex?: number;
}

/** The iterations from the root down to one, itself last. A parent that is not known, or not older, ends it. */
export function pathTo(iterations: readonly Descendant[], index: number): number[] {
  const parents = new Map(iterations.map((iteration) => [iteration.index, iteration.parentIndex]));
  const path: number[] = [];
  for (let at: number | undefined = parents.has(index) ? index : undefined; at !== undefined;) {
    path.unshift(at);
    const parent = parents.get(at);
    at = parent !== undefined && parent < at && parents.has(parent) ? parent : undefined;
  }
  return path;
}

/** How many iterations two paths have in common, from the root on. */
export function sharedLength(left: readonly number[], right: readonly number[]): number {
  let at = 0;
  while (at < left.length && at < right.length && left[at] === right[at]) at++;
  return at;
}
