import fc from "fast-check";
import { expect, it } from "vitest";
import { EventFrameReader } from "./event-frames.ts";

const STREAM = ': \n\nid: 7\ndata: {"a":"é"}\n\nevent: sessions\ndata: x\ndata: y\n\n: \n\ndata: z\n\n';

it("frames are the same however the stream is cut", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(STREAM.length), { maxLength: 20 }), (cuts) => {
      const reader = new EventFrameReader();
      const places = [0, ...[...cuts].sort((a, b) => a - b), STREAM.length];
      const frames = places.slice(1).flatMap((end, at) => reader.read(STREAM.slice(places[at], end)));
      expect(frames).toEqual([
        { event: "message", id: "7", data: '{"a":"é"}' },
        { event: "sessions", data: "x\ny" },
        { event: "message", data: "z" },
      ]);
    }),
  );
});
