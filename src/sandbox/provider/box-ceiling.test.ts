import { expect, it } from "vitest";
import { BoxCeiling } from "./box-ceiling.ts";

it("lets boxes in up to the ceiling, and the others in the order in which they came", async () => {
  const ceiling = new BoxCeiling(2);
  const entered: string[] = [];
  const enter = async (id: string, signal?: AbortSignal): Promise<void> => {
    await ceiling.take(id, signal);
    entered.push(id);
  };
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const controller = new AbortController();
  await Promise.all([enter("a"), enter("b")]);
  const waiting = [enter("c"), enter("d", controller.signal), enter("e")];
  await settle();
  expect(entered).toEqual(["a", "b"]);
  controller.abort();
  await expect(waiting[1]).rejects.toMatchObject({ name: "AbortError" });
  ceiling.free("nobody");
  ceiling.free("a");
  ceiling.free("a");
  await settle();
  expect(entered).toEqual(["a", "b", "c"]);
  ceiling.free("b");
  await waiting[2];
  expect(entered).toEqual(["a", "b", "c", "e"]);
});

it("refuses a ceiling that is none, and has none where none is given", async () => {
  expect(() => new BoxCeiling(0)).toThrow(expect.objectContaining({ code: "invalid_option" }));
  const open = new BoxCeiling(undefined);
  for (let index = 0; index < 1000; index++) await open.take(`box_${index}`);
});
