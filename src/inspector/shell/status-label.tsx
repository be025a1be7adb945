const MARKS: Readonly<Record<string, string>> = {
  completed: "✓",
  failed: "✗",
  aborted: "■",
  interrupted: "■",
  cancelled: "■",
  running: "●",
  created: "○",
};

/** An outcome in colour, with a mark and in words. */
export function StatusLabel({ status }: { readonly status: string }) {
  return (
    <span class={`status status-${status in MARKS ? status : "created"}`}>
      <span class="status-mark" aria-hidden="true">
        {MARKS[status] ?? "○"}
      </span>
      {status}
    </span>
  );
}
