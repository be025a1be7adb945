export { createIterableBackend } from "./iterable-backend.ts";
export type { EventSource } from "./iterable-backend.ts";
