/**
 * The relay: a program that the host starts in a box by the engine's exec. Connections of the host come as streams of HTTP/2 over its standard
 * input and output, and each is passed on to the socket of boxd. It has no state, and ends with the one who started it.
 *
 * Its one argument is the path of the socket.
 */
import type { ServerHttp2Stream } from "node:http2";
import { constants, createServer } from "node:http2";
import { createConnection } from "node:net";
import { Duplex } from "node:stream";
import { RELAY_SETTINGS, RELAY_SILENCE_MS } from "./relay-settings.ts";

const socketPath = process.argv[2] as string;
const server = createServer(RELAY_SETTINGS);
server.on("session", (session) => session.once("close", () => process.exit(0)));
server.on("stream", (stream) => {
  stream.on("error", () => stream.destroy());
  passOn(stream);
});

function passOn(stream: ServerHttp2Stream): void {
  const socket = createConnection({ path: socketPath, allowHalfOpen: true });
  const refuse = (): void => stream.close(constants.NGHTTP2_CONNECT_ERROR);
  socket.once("error", refuse);
  socket.once("connect", () => {
    socket.off("error", refuse).on("error", () => stream.close(constants.NGHTTP2_CANCEL));
    if (stream.destroyed) return void socket.destroy();
    stream.respond({ ":status": 200 });
    stream.pipe(socket).pipe(stream);
    socket.once("close", () => {
      if (!stream.writableFinished && !stream.writableEnded) stream.close(constants.NGHTTP2_CANCEL);
    });
  });
  stream.once("close", () => socket.destroy());
}

// An engine may keep a program going whose caller is gone; the host is heard at least as often as it pings.
const silence = setTimeout(() => process.exit(0), RELAY_SILENCE_MS);
process.stdin.on("data", () => void silence.refresh());
process.stdin.once("close", () => process.exit(0));
process.stdout.once("error", () => process.exit(0));
server.emit("connection", Duplex.from({ readable: process.stdin, writable: process.stdout }));
