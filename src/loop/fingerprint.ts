import { createHash } from "node:crypto";
import type { RunLoopOptions } from "./loop-types.ts";
import type { LoopSettings } from "./validate-loop-options.ts";

/**
 * What a loop is made of, as a short hash: the driver's, the specs' and the validator's names and the agents' profiles.
 * Functions cannot be compared over processes, so a change inside one shows only where its name changes with it.
 */
export function fingerprintLoop<Task, Output, Decision>(
  options: RunLoopOptions<Task, Output, Decision>,
  { specs }: LoopSettings<Task>,
): string {
  const parts = {
    driver: options.driver.name ?? "",
    // A price may change between two runs of one loop.
    specs: specs.map(({ name, profile: { prices: _prices, ...profile }, box }) => ({
      name,
      profile,
      image: box?.image,
      network: box?.network,
    })),
    validator: options.validator === undefined ? null : (options.validator.name ?? ""),
  };
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);
}
