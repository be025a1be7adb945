import { connectSocket, SOCKET_NAME } from "../boxd/index.ts";
import { sweepRecords } from "../provider/index.ts";
import { toBoxPaths } from "./box-paths.ts";
import { isRunning, removeBox } from "./remove-box.ts";

/** Removes what dead owners left. @returns the ids of the boxes */
export function sweepBoxes(directory: string): Promise<readonly string[]> {
  return sweepRecords(directory, {
    isRunning: (record) => isRunning(record, toBoxPaths(directory, record.id)),
    connect: (record) => connectSocket(toBoxPaths(directory, record.id).run, SOCKET_NAME),
    remove: (id, record) => removeBox(id, record, toBoxPaths(directory, id)),
  });
}
