import { describe, expect, it } from "vitest";
import { stripSequences, toPlainText } from "./plain-text.ts";

describe("sequences of a terminal", () => {
  it.each([
    ["colours", "a\u001B[1;31mb\u001B[0mc"],
    ["cursor movement", "a\u001B[2J\u001B[10;4Hbc"],
    ["private modes", "a\u001B[?25lb\u001B[?1049hc"],
    ["a title ended by a bell", "ab\u001B]0;title\u0007c"],
    ["a link ended by a string terminator", "a\u001B]8;;http://example.com\u001B\\b\u001B]8;;\u001B\\c"],
    ["one-byte introducers", "a\u009B31mbc"],
    ["short escapes", "a\u001B7b\u001B8c"],
  ])("are taken out: %s", (_name, text) => {
    expect(stripSequences(text)).toBe("abc");
  });

  it("that never end take no text with them but their introducer", () => {
    expect(toPlainText("a\u001B]0;title")).toBe("a0;title");
    expect(toPlainText("a\u001B[12")).toBe("a12");
  });

  it("take linear time, however they are repeated", () => {
    const started = performance.now();
    for (const piece of ["\u001B]", "\u001B[", "\u001B[1;", "\u009B 0", "\u001B   "])
      toPlainText(piece.repeat(200_000));
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
