export { createBoxBackend } from "./box-backend.ts";
export type { BoxBackendOptions, FreshBoxOptions, GivenBoxOptions } from "./box-backend.ts";
