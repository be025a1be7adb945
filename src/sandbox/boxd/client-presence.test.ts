import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ClientPresence } from "./client-presence.ts";

beforeEach(() => vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] }));
afterEach(() => vi.useRealTimers());

it("B3: ends a box whose client was not heard for the length of its claim, and not before", () => {
  const presence = new ClientPresence();
  const over = vi.fn();
  presence.watch(1000, over);
  vi.advanceTimersByTime(900);
  presence.enter();
  vi.advanceTimersByTime(5000);
  expect(presence.idleMs).toBe(0);
  presence.leave();
  vi.advanceTimersByTime(900);
  expect(over).not.toHaveBeenCalled();
  vi.advanceTimersByTime(200);
  expect(over).toHaveBeenCalledTimes(1);
});

it("B3: does not take the time for silence in which a box stood still in a checkpoint", () => {
  const presence = new ClientPresence();
  const over = vi.fn();
  presence.watch(1000, over);
  vi.advanceTimersByTime(300);
  // Woken a day later: the clock has gone on, and the timer is due at once.
  const { now } = performance;
  const spy = vi.spyOn(performance, "now").mockImplementation(() => now.call(performance) + 86_400_000);
  vi.advanceTimersByTime(100);
  expect(over).not.toHaveBeenCalled();
  expect(presence.idleMs).toBeLessThan(700);
  vi.advanceTimersByTime(1000);
  expect(over).toHaveBeenCalledTimes(1);
  spy.mockRestore();
});
