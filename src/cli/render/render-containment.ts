import type { Style } from "./style.ts";

/** B1: where a box is not contained, a person is told before anything runs in it. */
export function renderContainment(
  capabilities: { readonly contained: boolean; readonly reason?: string },
  style: Style,
): string[] {
  if (capabilities.contained) return [];
  const reason = capabilities.reason === undefined ? "" : ` (${capabilities.reason.replace(/\.$/, "")})`;
  return [
    style.yellow(`Boxes are not contained here${reason}:`),
    style.yellow("what runs in them can read and write what you can. See `skein doctor`."),
  ];
}
