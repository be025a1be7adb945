import { expect, it } from "vitest";
import { OpenLeases } from "./open-leases.ts";

it("L5: a lease that was not renewed in its time is over, and stays over", () => {
  let now = 0;
  const leases = new OpenLeases(() => now);
  leases.open(1, 5, 100);
  now = 100;
  expect(leases.check(1, 5)).toMatchObject({ key: 1, epoch: 5 });
  now = 101;
  expect(leases.check(1, 5)).toBe("lease_over");
  expect(leases.check(1, 5)).toBe("taken_over");
});

it("a lease counts from the moment before the transaction that renewed it", () => {
  let now = 0;
  const leases = new OpenLeases(() => now);
  leases.open(1, 1, 100);
  now = 90;
  leases.renew(1, 1, 60);
  now = 160;
  expect(leases.check(1, 1)).toMatchObject({ key: 1 });
  now = 161;
  expect(leases.check(1, 1)).toBe("lease_over");
});

it("L5: an older epoch holds nothing once a newer one was opened", () => {
  const leases = new OpenLeases(() => 0);
  leases.open(1, 1, 100);
  leases.open(1, 2, 50);
  expect(leases.check(1, 1)).toBe("taken_over");
  leases.drop(1, 1);
  expect(leases.check(1, 2)).toMatchObject({ epoch: 2 });
  leases.drop(1, 2);
  expect(leases.size).toBe(0);
});
