import { expect, it } from "vitest";
import { FlowShare } from "./flow-share.ts";

/** Adds until nothing more fits. */
function fill(share: FlowShare): number {
  let count = 0;
  for (; !share.isFull; count++) share.add(1);
  return count;
}

it("gives each stream a smaller share the more there are, and never too little for a batch", () => {
  const alone = new FlowShare();
  const most = fill(alone);
  expect(most).toBeLessThan(2000);
  const many = Array.from({ length: 200 }, () => new FlowShare());
  for (const share of many) share.add(1);
  const [one] = many as [FlowShare];
  const least = 1 + fill(one);
  expect(least).toBeGreaterThanOrEqual(128);
  expect(least).toBeLessThan(most);
  expect(one.hasRoom).toBe(false);
  one.remove(least - 1);
  expect(one.hasRoom).toBe(true);
  for (const share of many) share.open();
  alone.remove(most);
  expect(fill(alone)).toBe(most);
  alone.open();
});

it("holds nobody back once it is open", () => {
  const share = new FlowShare();
  fill(share);
  share.open();
  share.add(10_000);
  expect(share.isFull).toBe(false);
  expect(share.hasRoom).toBe(true);
  const other = new FlowShare();
  const most = fill(other);
  share.remove(10_000);
  other.open();
  expect(most).toBeGreaterThan(1000);
});
