import { describe } from "vitest";
import { testFiles } from "./session-store/file-section.ts";
import { testForks } from "./session-store/fork-section.ts";
import { testInterleavings } from "./session-store/interleaving-section.ts";
import { testJson } from "./session-store/json-section.ts";
import { testLog } from "./session-store/log-section.ts";
import { testRetention } from "./session-store/retention-section.ts";
import { testSessions } from "./session-store/session-section.ts";
import { testSharing } from "./session-store/sharing-section.ts";
import type { SessionStoreKitOptions } from "./session-store/store-under-test.ts";
import { testTails } from "./session-store/tail-section.ts";
import { testWriters } from "./session-store/writer-section.ts";

/**
 * Proves that a store keeps what `SessionStore` promises. Call it at the top of a test file; it describes its own sections,
 * and every title begins with the law that it proves, where there is one.
 * @stable
 */
export function testSessionStore(kit: SessionStoreKitOptions): void {
  describe(`session store: ${kit.name}`, () => {
    testSessions(kit);
    testLog(kit);
    testJson(kit);
    testWriters(kit);
    testTails(kit);
    testForks(kit);
    testRetention(kit);
    testFiles(kit);
    testSharing(kit);
    testInterleavings(kit);
  });
}
