import { totalTokens } from "../event/usage.ts";
import type { Usage } from "../event/event.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const two = (value: number): string => String(value).padStart(2, "0");

/** How long something took: `840 ms`, `12.3 s`, `2 min 05 s`, `1 h 03 min`. */
export function formatDuration(ms: number): string {
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < MINUTE - 50) return `${(ms / SECOND).toFixed(1)} s`;
  const seconds = Math.round(ms / SECOND);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))} min`;
}

/** How long ago something was, in one unit. A clock that went back reads as now. */
export function formatAge(ms: number): string {
  if (ms < SECOND) return "now";
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h`;
  return `${Math.floor(ms / DAY)} d`;
}

/** The same in a sentence: `5 min ago`, `just now`. */
export function formatAgo(ms: number): string {
  return ms < SECOND ? "just now" : `${formatAge(ms)} ago`;
}

/** Tokens and money, as far as they were reported; empty where nothing was (L10). */
export function formatUsage(usage: Usage): string {
  const tokens = totalTokens(usage);
  const parts: string[] = [];
  if (tokens !== undefined) parts.push(`${tokens.toLocaleString("en-US")} tokens`);
  if (usage.costUsd !== undefined) parts.push(formatCost(usage.costUsd));
  return parts.join(" · ");
}

/** US dollars, with as many digits as a small amount needs. */
export function formatCost(usd: number): string {
  return `$${usd.toFixed(usd === 0 || usd >= 0.1 ? 2 : 4)}`;
}

export function formatScore(score: number): string {
  return score.toFixed(2);
}

/** `1 task`, `2 tasks`. */
export function formatCount(count: number, noun: string): string {
  return `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;
}
