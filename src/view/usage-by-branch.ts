import type { StoredEvent, Usage } from "../event/event.ts";
import { addUsage } from "../event/usage.ts";

/** What was spent, by model. A model that the agent did not name is "". */
export type UsageByModel = Readonly<Record<string, Usage>>;

/** What the reports of a session say, over all of its runs. */
export function foldUsageByModel(events: Iterable<StoredEvent>): UsageByModel {
  const models: Record<string, Usage> = Object.create(null) as Record<string, Usage>;
  for (const event of events) {
    if (event.type !== "usage.reported") continue;
    const model = event.model ?? "";
    models[model] = addUsage(models[model] ?? {}, event);
  }
  return models;
}

/** The same over several. */
export function sumByModel(parts: Iterable<UsageByModel>): UsageByModel {
  const models: Record<string, Usage> = Object.create(null) as Record<string, Usage>;
  for (const part of parts) {
    for (const [model, usage] of Object.entries(part)) models[model] = addUsage(models[model] ?? {}, usage);
  }
  return models;
}

/** All models together; {} where nothing was reported (L10). */
export function totalOf(models: UsageByModel): Usage {
  return Object.values(models).reduce<Usage>((sum, usage) => addUsage(sum, usage), {});
}

/** The top of a scale: the smallest of 1, 2, 5 and their powers of ten that is not less. */
export function niceCeiling(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= value * (1 - 1e-9)) ?? 10;
  return step * power;
}
