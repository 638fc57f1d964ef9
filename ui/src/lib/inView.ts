import { type RefObject, useEffect, useState } from "react";

/** Whether an element is in view or near it: what is far away need not be drawn. */
export function useInView(element: RefObject<HTMLElement | null>, marginPx = 400): boolean {
  const [near, setNear] = useState(false);
  useEffect(() => {
    if (!element.current) return;
    const watched = new IntersectionObserver((entries) => setNear(entries.some((each) => each.isIntersecting)), {
      rootMargin: `${marginPx}px 0px`,
    });
    watched.observe(element.current);
    return () => watched.disconnect();
  }, [element, marginPx]);
  return near;
}
