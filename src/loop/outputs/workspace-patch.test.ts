import { expect, it } from "vitest";
import type { EventBody, StoredEvent } from "../../event/event.ts";
import { workspacePatch } from "./workspace-patch.ts";

const log = (...bodies: EventBody[]): StoredEvent[] =>
  bodies.map((body, index) => ({ seq: index + 1, at: 0, sessionId: "s", runId: "r", ...body }));

it("takes the last patch and the text since the last tool call", () => {
  const events = log(
    { type: "text.delta", text: "I look." },
    { type: "artifact.created", name: "workspace.patch", content: "first" },
    { type: "tool.started", toolCallId: "1", toolName: "edit" },
    { type: "text.delta", text: "Done" },
    { type: "text.delta", text: "." },
    { type: "artifact.created", name: "workspace.patch", content: "second" },
    { type: "artifact.created", name: "report.html", content: "other" },
  );
  expect(workspacePatch().parse(events)).toEqual({ patch: "second", text: "Done." });
});

it("has no patch where nothing changed, or where the last turn took everything back", () => {
  expect(workspacePatch().parse([])).toEqual({});
  const events = log(
    { type: "artifact.created", name: "workspace.patch", content: "first" },
    { type: "artifact.created", name: "workspace.patch", content: "" },
  );
  expect(workspacePatch().parse(events)).toEqual({});
});

it("keeps the reference of a patch that is too large for the log", () => {
  const blob = { digest: `sha256:${"0".repeat(64)}`, size: 12 };
  expect(workspacePatch().parse(log({ type: "artifact.created", name: "workspace.patch", blob }))).toEqual({ blob });
});
