/** How both ends of a relay's line speak HTTP/2: windows that a distant engine's line can be filled with, and room for many connections. */
export const RELAY_SETTINGS = {
  settings: { initialWindowSize: 1024 * 1024, enablePush: false },
  /** Megabytes. */
  maxSessionMemory: 128,
} as const;

/** How often the host says that it is there. */
export const RELAY_PING_MS = 15_000;

/** After this long without a word the other end is gone. */
export const RELAY_SILENCE_MS = 90_000;
