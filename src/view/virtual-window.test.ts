import fc from "fast-check";
import { expect, it } from "vitest";
import { computeWindow, RowHeights } from "./virtual-window.ts";

it("a window holds what is looked at and what lies around it", () => {
  const heights = new RowHeights();
  heights.resize(100_000, () => 20);
  expect(heights.total).toBe(2_000_000);
  expect(computeWindow(heights, { top: 1000, height: 200, overscan: 100 })).toEqual({ first: 45, last: 66, top: 900 });
  expect(computeWindow(heights, { top: -50, height: 200, overscan: 0 })).toEqual({ first: 0, last: 8, top: 0 });
  const end = computeWindow(heights, { top: 2_000_000, height: 200, overscan: 40 });
  expect(end).toMatchObject({ first: 99_998, last: 100_000 });
});

it("a list without rows has an empty window", () => {
  expect(computeWindow(new RowHeights(), { top: 0, height: 500, overscan: 100 })).toEqual({
    first: 0,
    last: 0,
    top: 0,
  });
});

it("a row that was measured moves those behind it and no other", () => {
  const heights = new RowHeights();
  heights.resize(10, () => 10);
  expect(heights.set(3, 25)).toBe(15);
  expect([3, 4, 10].map((row) => heights.offsetOf(row))).toEqual([30, 55, 115]);
  expect([29, 30, 54, 55].map((offset) => heights.rowAt(offset))).toEqual([2, 3, 3, 4]);
  expect(heights.set(10, 5)).toBe(0);
});

it("sums and places agree with plain addition, however rows come, go and change", () => {
  const step = fc.oneof(
    fc.record({ resize: fc.nat(3000) }),
    fc.record({ set: fc.nat(3000), to: fc.integer({ min: 1, max: 500 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), fc.nat(100_000), (steps, offset) => {
      const heights = new RowHeights();
      let plain: number[] = [];
      for (const one of steps) {
        if ("resize" in one) {
          heights.resize(one.resize, (row) => 1 + (row % 7));
          plain = plain.slice(0, one.resize);
          while (plain.length < one.resize) plain.push(1 + (plain.length % 7));
        } else {
          heights.set(one.set, one.to);
          if (one.set < plain.length) plain[one.set] = one.to;
        }
      }
      const sum = plain.reduce((total, height) => total + height, 0);
      expect(heights.total).toBe(sum);
      if (plain.length === 0) return;
      const row = heights.rowAt(offset % sum);
      expect(heights.offsetOf(row)).toBeLessThanOrEqual(offset % sum);
      expect(heights.offsetOf(row) + heights.heightOf(row)).toBeGreaterThan(offset % sum);
    }),
  );
});
