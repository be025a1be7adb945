import { expect, it } from "vitest";
import { parseMcpServers, toAcpMcpServers } from "./mcp-servers.ts";

const door = { port: 4141, token: "key_1", mcpServers: ["docs"] };

it("tells an agent of each kind of server in the protocol's words", () => {
  const servers = parseMcpServers(
    [
      { name: "a", command: "node", args: ["a.mjs"], env: { WORD: "x" } },
      { type: "gateway", name: "docs" },
      { type: "http", name: "near", url: "http://127.0.0.1:1/mcp", headers: { "x-a": "b" } },
    ],
    "a test",
  );
  expect(toAcpMcpServers(servers, door)).toEqual([
    { name: "a", command: "node", args: ["a.mjs"], env: [{ name: "WORD", value: "x" }] },
    {
      type: "http",
      name: "docs",
      url: "http://127.0.0.1:4141/mcp/docs",
      headers: [{ name: "authorization", value: "Bearer key_1" }],
    },
    { type: "http", name: "near", url: "http://127.0.0.1:1/mcp", headers: [{ name: "x-a", value: "b" }] },
  ]);
});

it("refuses a server behind a gateway that does not lead to it", () => {
  const servers = [{ type: "gateway", name: "other" }] as const;
  expect(() => toAcpMcpServers(servers, door)).toThrow(expect.objectContaining({ code: "invalid_option" }));
  expect(() => toAcpMcpServers(servers, undefined)).toThrow(expect.objectContaining({ code: "invalid_option" }));
});

it.each([
  ["x", "no list"],
  [[3], "no object"],
  [[{ command: "a" }], "no name"],
  [[{ name: "a" }], "no command"],
  [[{ name: "a", command: "a", args: [1] }], "args"],
  [[{ name: "a", command: "a", env: [] }], "env"],
  [[{ name: "a", type: "http" }], "no url"],
  [[{ name: "a", type: "http", url: "http://x", headers: { a: 1 } }], "headers"],
  [[{ name: "a", type: "carrier pigeon" }], "carrier pigeon"],
  [
    [
      { name: "a", command: "a" },
      { name: "a", command: "b" },
    ],
    "twice",
  ],
])("refuses servers that are none: %j", (value, why) => {
  expect(() => parseMcpServers(value, "a test")).toThrow(
    expect.objectContaining({ code: "invalid_option", message: expect.stringContaining(why) as string }),
  );
});
