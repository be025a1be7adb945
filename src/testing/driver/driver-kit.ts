import type { Driver } from "../../loop/loop-types.ts";

/** A driver under test. @stable */
export interface DriverKit<Task = string, Output = string> {
  readonly name: string;
  /** A new driver of the same policy, at each call. Whatever it asks (a planner, a judge) must answer the same to the same history. */
  readonly create: () => Driver<Task, Output, unknown>;
  readonly task: Task;
  /** What attempts may give; few, so that some give the same. Default: three texts. */
  readonly outputs?: readonly Output[];
  /**
   * The most iterations until it ends by itself, whatever the scores are. They are drawn from eleven values, so a driver that goes on while
   * the score rises ends too. Default 200; `unbounded`: it goes on until something is valid, and only the loop's limits end it.
   */
  readonly maxIterations?: number | "unbounded";
  /** The most boxes that it may keep alive at once where rounds share boxes. Absent: not looked at. */
  readonly maxBoxes?: number;
  /** Random loops for each case. Default 40. */
  readonly runs?: number;
}
