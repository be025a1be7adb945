import { comparePatches, type ComparedFile, type PatchFile } from "../../view/parse-patch.ts";
import { toPlainText } from "../../view/plain-text.ts";
import { EmptyState } from "../shell/empty-state.tsx";
import { HunksView } from "../timeline/patch-view.tsx";

export interface FileDifferencesProps {
  readonly left: readonly PatchFile[];
  readonly right: readonly PatchFile[];
  readonly names: readonly [string, string];
}

/** Each file that one of the branches changed, with both changes side by side. */
export function FileDifferences({ left, right, names }: FileDifferencesProps) {
  const files = comparePatches(left, right);
  if (files.length === 0) return <EmptyState title="Neither branch changed a file." />;
  const words: Readonly<Record<ComparedFile["state"], string>> = {
    same: "the same in both",
    left: `only in ${names[0]}`,
    right: `only in ${names[1]}`,
    differs: "different",
  };
  return (
    <div class="files scroller" tabIndex={0} role="region" aria-label="Files">
      {files.map((file) => (
        <details class="file" open={file.state !== "same"}>
          <summary>
            <code>{toPlainText(file.path)}</code> <span class={`tag file-${file.state}`}>{words[file.state]}</span>
          </summary>
          {file.state === "same" ? (
            <FileSide file={file.left} name={names[0]} />
          ) : (
            <div class="file-sides">
              <FileSide file={file.left} name={names[0]} />
              <FileSide file={file.right} name={names[1]} />
            </div>
          )}
        </details>
      ))}
    </div>
  );
}

function FileSide({ file, name }: { readonly file: PatchFile | undefined; readonly name: string }) {
  return (
    <div class="file-side">
      <p class="quiet file-side-name">
        {name}
        {file === undefined ? null : (
          <>
            {" "}
            <span class="plus">+{file.added}</span> <span class="minus">−{file.removed}</span>
          </>
        )}
      </p>
      {file === undefined ? (
        <p class="quiet">unchanged</p>
      ) : file.isBinary ? (
        <p class="quiet">binary</p>
      ) : (
        <HunksView hunks={file.hunks} />
      )}
    </div>
  );
}
