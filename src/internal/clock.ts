/** The wall clock in milliseconds since the epoch. Passed in where a test must decide what time it is. */
export type Clock = () => number;

export const systemClock: Clock = () => Date.now();
