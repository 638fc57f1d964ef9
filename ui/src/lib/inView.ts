import { type RefObject, useEffect, useState } from "react";

const AT_ONCE = 2;
let turns: (() => void)[] = [];

/** Lets some begin in each frame, in the order in which they came, so that the first are seen before the last begin. */
function inTurn(begin: () => void): () => void {
  if (turns.length === 0) requestAnimationFrame(next);
  turns.push(begin);
  return () => {
    turns = turns.filter((each) => each !== begin);
  };
}

function next(): void {
  for (const begin of turns.splice(0, AT_ONCE)) begin();
  if (turns.length > 0) requestAnimationFrame(next);
}

/** Whether an element is in view or near it, and its turn has come: what is far away need not be drawn. */
export function useInView(element: RefObject<HTMLElement | null>, marginPx = 300): boolean {
  const [near, setNear] = useState(false);
  useEffect(() => {
    if (!element.current) return;
    let cancel: (() => void) | undefined;
    const watched = new IntersectionObserver(
      (entries) => {
        cancel?.();
        if (entries.some((each) => each.isIntersecting)) cancel = inTurn(() => setNear(true));
        else setNear(false);
      },
      { rootMargin: `${marginPx}px 0px` },
    );
    watched.observe(element.current);
    return () => {
      cancel?.();
      watched.disconnect();
    };
  }, [element, marginPx]);
  return near;
}
