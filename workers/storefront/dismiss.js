/*
 * Clicks away banners: the first visible element of each selector, once per document. Called in an isolated world with a
 * list of selectors; returns how many elements it clicked. A selector that is not there, or is refused, is no error.
 */
(selectors) => {
  "use strict";
  const clicked = (globalThis.cartwrightDismissed ??= new WeakSet());
  let count = 0;
  for (const css of selectors) {
    try {
      const isOpen = (element) => !clicked.has(element) && element.checkVisibility({ visibilityProperty: true });
      const element = Array.from(document.querySelectorAll(css)).find(isOpen);
      if (element === undefined) continue;
      clicked.add(element);
      HTMLElement.prototype.click.call(element);
      count += 1;
    } catch (error) {
      continue;
    }
  }
  return count;
}
