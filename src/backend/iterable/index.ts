/** @stable */
export { createIterableBackend } from "./iterable-backend.ts";
/** A run of any async iterable. @stable */
export type { EventSource } from "./iterable-backend.ts";
