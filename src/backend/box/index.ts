/** @experimental */
export { createBoxBackend } from "./box-backend.ts";
/** A run as a turn of a box. @experimental */
export type { AnswerOptions, BoxBackendOptions, FreshBoxOptions, GivenBoxOptions } from "./box-backend.ts";
