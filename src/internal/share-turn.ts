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
