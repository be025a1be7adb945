import type { ComponentChildren, VNode } from "preact";
import { useCallback, useEffect, useLayoutEffect, useMemo, useReducer, useRef } from "preact/hooks";
import { computeWindow, RowHeights } from "../../view/virtual-window.ts";

const OVERSCAN = 400;
/** A row that was asked for is kept in place until nothing around it was measured anew for so long, or somebody scrolls. */
const SETTLE_MS = 300;
/** How near to the end a reader must be to be taken along when more comes. */
const NEAR_END = 40;

export interface ListHandle {
  /** Brings a row into view: where it is not to be seen wholly, or always at the top. */
  show(row: number, place?: "nearest" | "start"): void;
  toEnd(): void;
}

export interface VirtualListProps {
  readonly count: number;
  /** A first guess of a row's height, in pixels. */
  readonly estimate: (row: number) => number;
  /** A row; drawn again only when its signature changes. */
  readonly renderRow: (row: number) => ComponentChildren;
  readonly signature: (row: number) => string;
  /** A list of something else: heights and place are forgotten. */
  readonly identity: string;
  /** Goes along with the end while that is what is looked at. */
  readonly follows?: boolean;
  readonly onFollowChange?: (atEnd: boolean) => void;
  readonly label: string;
  readonly handle: { current: ListHandle | undefined };
  readonly className?: string;
}

/** A list of any length of which only what is looked at is in the page. Rows have any height, which is measured when they are drawn. */
export function VirtualList(props: VirtualListProps) {
  const { count, estimate, renderRow, signature, identity, follows = false, label, handle, className = "" } = props;
  const [, redraw] = useReducer((times: number) => times + 1, 0);
  const scroller = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLDivElement>(null);
  const view = useRef({ top: 0, height: 600, atEnd: true, range: "" });
  /** A row that was asked for, while those around it are measured. */
  const target = useRef<{ readonly row: number; readonly place: "nearest" | "start"; until: number } | undefined>(
    undefined,
  );
  const { heights, vnodes } = useMemo(
    () => ({ heights: new RowHeights(), vnodes: new Map<number, { readonly key: string; readonly node: VNode }>() }),
    [identity],
  );
  heights.resize(count, estimate);

  const settle = useCallback((): void => {
    const element = scroller.current;
    if (element === null) return;
    if (canvas.current !== null) canvas.current.style.height = `${heights.total}px`;
    const aim = target.current;
    if (aim === undefined) return;
    if (performance.now() > aim.until) {
      target.current = undefined;
      return;
    }
    const top = heights.offsetOf(aim.row);
    const height = heights.heightOf(aim.row);
    const isAbove = top < element.scrollTop;
    const isBelow = top + height > element.scrollTop + element.clientHeight;
    if (aim.place === "start" || isAbove || height > element.clientHeight) element.scrollTop = top - 8;
    else if (isBelow) element.scrollTop = top + height - element.clientHeight + 8;
  }, [heights]);

  const look = useCallback((): void => {
    const element = scroller.current;
    if (element === null) return;
    view.current.top = element.scrollTop;
    view.current.height = element.clientHeight;
    const { first, last } = computeWindow(heights, { ...view.current, overscan: OVERSCAN });
    const range = `${first}-${last}`;
    if (range !== view.current.range) redraw(undefined);
  }, [heights]);

  const observer = useMemo(
    () =>
      new ResizeObserver((entries) => {
        const element = scroller.current;
        if (element === null) return;
        let above = 0;
        let changed = false;
        for (const { target: row } of entries) {
          if (!(row instanceof HTMLElement) || !row.isConnected) continue;
          const index = Number(row.dataset["row"]);
          const isAbove = heights.offsetOf(index) + heights.heightOf(index) <= element.scrollTop;
          const change = heights.set(index, row.offsetHeight);
          if (change !== 0) changed = true;
          if (isAbove) above += change;
        }
        if (!changed) return;
        if (target.current !== undefined) target.current.until = performance.now() + SETTLE_MS;
        // What is looked at stays where it is, whatever the rows above it turn out to be.
        if (canvas.current !== null) canvas.current.style.height = `${heights.total}px`;
        if (view.current.atEnd && follows && target.current === undefined) element.scrollTop = element.scrollHeight;
        else if (above !== 0) element.scrollTop += above;
        settle();
        redraw(undefined);
      }),
    [heights, follows, settle],
  );
  useEffect(() => () => observer.disconnect(), [observer]);

  const { first, last, top } = computeWindow(heights, { ...view.current, overscan: OVERSCAN });
  view.current.range = `${first}-${last}`;

  useLayoutEffect(() => {
    settle();
    const element = scroller.current;
    if (element !== null && follows && view.current.atEnd && target.current === undefined)
      element.scrollTop = element.scrollHeight;
    look();
  });
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const sizes = new ResizeObserver(look);
    sizes.observe(element);
    return () => sizes.disconnect();
  }, [look]);
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element !== null) element.scrollTop = 0;
    view.current.atEnd = true;
    target.current = undefined;
  }, [identity]);

  const letGo = (): void => {
    target.current = undefined;
  };
  const onScroll = (): void => {
    const element = scroller.current;
    if (element === null) return;
    const atEnd = element.scrollTop + element.clientHeight >= element.scrollHeight - NEAR_END;
    if (atEnd !== view.current.atEnd) {
      view.current.atEnd = atEnd;
      props.onFollowChange?.(atEnd);
    }
    look();
  };

  handle.current = {
    show(row, place = "nearest") {
      target.current = { row, place, until: performance.now() + SETTLE_MS };
      view.current.atEnd = false;
      settle();
      look();
    },
    toEnd() {
      target.current = undefined;
      view.current.atEnd = true;
      if (scroller.current !== null) scroller.current.scrollTop = scroller.current.scrollHeight;
    },
  };

  const rows: VNode[] = [];
  for (let row = first; row < last; row++) {
    const key = signature(row);
    const known = vnodes.get(row);
    const node =
      known?.key === key ? (
        known.node
      ) : (
        <Row key={row} row={row} count={count} observer={observer} content={renderRow(row)} />
      );
    if (node !== known?.node) vnodes.set(row, { key, node });
    rows.push(node);
  }
  if (vnodes.size > 2000) for (const row of vnodes.keys()) if (row < first || row >= last) vnodes.delete(row);

  return (
    <div
      class={`scroller ${className}`}
      ref={scroller}
      onScroll={onScroll}
      onWheel={letGo}
      onTouchMove={letGo}
      onPointerDown={letGo}
      tabIndex={0}
      role="region"
      aria-label={label}
    >
      <div class="canvas" ref={canvas} role="list">
        <div class="window" role="presentation" style={{ transform: `translateY(${top}px)` }}>
          {rows}
        </div>
      </div>
    </div>
  );
}

function Row({
  row,
  count,
  observer,
  content,
}: {
  readonly row: number;
  readonly count: number;
  readonly observer: ResizeObserver;
  readonly content: ComponentChildren;
}) {
  const element = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const { current } = element;
    if (current === null) return;
    observer.observe(current);
    return () => observer.unobserve(current);
  }, [observer]);
  return (
    <div class="row" ref={element} data-row={row} role="listitem" aria-setsize={count} aria-posinset={row + 1}>
      {content}
    </div>
  );
}
