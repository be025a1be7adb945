/** How long streams may go on in one turn of the event loop before timers and sockets get theirs. */
const TURN_MS = 2;

let endsAt = 0;
let isCounting = false;
let waiting: (() => void)[] = [];

function endTurn(): void {
  isCounting = false;
  const woken = waiting;
  waiting = [];
  for (const wake of woken) wake();
}

function begin(): void {
  isCounting = true;
  endsAt = performance.now() + TURN_MS;
  setImmediate(endTurn);
}

/** A promise of the next turn of the event loop. */
export function endOfTurn(): Promise<void> {
  if (!isCounting) begin();
  return new Promise((resolve) => waiting.push(resolve));
}

/**
 * Undefined while this turn of the event loop has time left; else a promise of the next turn. Work that goes from promise to promise
 * never gives the event loop back by itself, however many streams there are: all of them count on the same clock.
 */
export function shareTurn(): Promise<void> | undefined {
  if (!isCounting) {
    begin();
    return undefined;
  }
  if (performance.now() < endsAt) return undefined;
  return new Promise((resolve) => waiting.push(resolve));
}

/**
 * Takes the steps of long work, some in each turn of the event loop. It has a clock of its own and comes back behind those who wait for the
 * shared one: they always find time left in their turn.
 *
 * @returns undefined where it was no longer wanted before its end
 */
export async function inTurns<Result>(
  steps: Iterator<unknown, Result>,
  isWanted: () => boolean,
): Promise<Result | undefined> {
  while (isWanted()) {
    const until = performance.now() + TURN_MS;
    do {
      const step = steps.next();
      if (step.done === true) return step.value;
    } while (performance.now() < until);
    await new Promise(setImmediate);
  }
  return undefined;
}
