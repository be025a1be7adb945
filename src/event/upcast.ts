import type { StoredEvent } from "./event.ts";

/** The format of what is stored: raised with every change of an event's shape, and of the tables that hold events. */
export const STORED_FORMAT = 1;

/** An event as an older version stored it. */
export type OldEvent = { readonly type: string; readonly [field: string]: unknown };

/** How the events of one format become those of the next. A type that is not named stays as it is. */
export interface Upcast {
  /** The format that it starts from. */
  readonly from: number;
  readonly types: { readonly [type: string]: (event: OldEvent) => OldEvent };
}

/** One for each format whose events changed, oldest first. An entry is never removed: what was once stored can always be read. */
export const UPCASTS: readonly Upcast[] = [];

/** Brings an event that was stored in an older format to the newest one; the same event where nothing changed since. */
export function upcastEvent(event: OldEvent, format: number, upcasts: readonly Upcast[] = UPCASTS): StoredEvent {
  let newest = event;
  for (const { from, types } of upcasts) {
    const step = from >= format && Object.hasOwn(types, newest.type) ? types[newest.type] : undefined;
    if (step !== undefined) newest = step(newest);
  }
  return newest as unknown as StoredEvent;
}
