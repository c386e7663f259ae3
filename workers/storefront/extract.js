/*
 * Reads a page for the plan that workers/storefront/plans.py makes. One function expression: it takes the plan (JSON) and
 * returns what it found (JSON, bounded by plan.limits). It runs in an isolated world, so the page's globals cannot change
 * what it calls; a form's named controls still shadow the form's properties there, therefore every DOM property is read
 * through its prototype. It never throws: a part that fails is left out and named in `failed`.
 */
(plan) => {
  "use strict";
  const method = (type, name) => (target, ...args) => Reflect.apply(type.prototype[name], target, args);
  const getter = (type, name) => {
    const { get } = Object.getOwnPropertyDescriptor(type.prototype, name);
    return (target) => Reflect.apply(get, target, []);
  };
  const findInDocument = method(Document, "querySelectorAll");
  const findInElement = method(Element, "querySelectorAll");
  const findInFragment = method(DocumentFragment, "querySelectorAll");
  const matches = method(Element, "matches");
  const attributeOf = method(Element, "getAttribute");
  const hasAttribute = method(Element, "hasAttribute");
  const checkVisibility = method(Element, "checkVisibility");
  const nameOf = getter(Element, "localName");
  const kindOf = getter(Node, "nodeType");
  const childrenOf = getter(Node, "childNodes");
  const parentOf = getter(Node, "parentElement");
  const parentNodeOf = getter(Node, "parentNode");
  const shadowOf = getter(Element, "shadowRoot");
  const hostOf = getter(ShadowRoot, "host");
  const slotOf = getter(Element, "assignedSlot");
  const assignedTo = method(HTMLSlotElement, "assignedNodes");
  const frameDocumentOf = getter(HTMLIFrameElement, "contentDocument");
  const bodyOf = getter(Document, "body");
  const contentOf = getter(Node, "textContent");
  const range = document.createRange();
  const surround = method(Range, "selectNodeContents");
  const boxesOf = method(Range, "getClientRects");
  const boxOf = method(Element, "getBoundingClientRect");

  const limits = plan.limits;
  const found = { failed: [], refused: [], truncated: false, sources: {}, markers: {} };
  let budget = limits.total;

  const attempt = (part, read, otherwise) => {
    try {
      return read();
    } catch (error) {
      found.failed.push(part);
      return otherwise;
    }
  };
  const encoder = new TextEncoder();
  const keep = (text, length) => {
    if (text.length > length) found.truncated = true;
    const kept = text.slice(0, length).toWellFormed();
    const cost = encoder.encode(JSON.stringify(kept)).length + 1;
    if (cost > budget) {
      found.truncated = true;
      return null;
    }
    budget -= cost;
    return kept;
  };
  const selectIn = (root, css) => {
    try {
      if (kindOf(root) === 9) return Array.from(findInDocument(root, css));
      if (kindOf(root) === 11) return Array.from(findInFragment(root, css));
      const inside = Array.from(findInElement(root, css));
      return matches(root, css) ? [root, ...inside] : inside;
    } catch (error) {
      if (!found.refused.includes(css) && found.refused.length < 100) found.refused.push(css);
      return [];
    }
  };
  // Every step but the first leads from elements into their open shadow roots, or the documents of frames.
  const select = (root, steps) => {
    let selected = selectIn(root, steps[0]);
    for (const css of steps.slice(1)) {
      const roots = selected.slice(0, limits.scanned).map((element) => shadowOf(element) ?? frameOf(element));
      selected = roots.filter((inner) => inner !== null).slice(0, limits.roots).flatMap((inner) => selectIn(inner, css));
    }
    return selected;
  };

  /* What a person sees */
  const NEVER_DRAWN = new Set(["head", "meta", "title", "link", "script", "style", "noscript", "template", "base"]);
  const HIDDEN_CLASSES = new Set(["a-offscreen", "sr-only", "visually-hidden", "visuallyhidden", "screen-reader-text", "screen-reader-only"]);
  const STRUCK_TAGS = new Set(["del", "s", "strike"]);
  const isStruck = (element, style) => STRUCK_TAGS.has(nameOf(element)) || style.textDecorationLine.includes("line-through");
  // Where the element is drawn: what stands in a shadow root belongs to its host, what is put into a slot to the slot.
  const drawnParentOf = (element) => {
    const parent = slotOf(element) ?? parentNodeOf(element);
    if (parent === null || kindOf(parent) === 1) return parent;
    try {
      return hostOf(parent);
    } catch (error) {
      return null;
    }
  };
  const isStruckHere = (element) => {
    for (let at = element; at; at = drawnParentOf(at)) if (isStruck(at, getComputedStyle(at))) return true;
    return false;
  };
  const isShown = (element) => {
    let at = element;
    while (at && getComputedStyle(at).display === "contents") at = drawnParentOf(at);
    return at !== null && checkVisibility(at, { visibilityProperty: true, checkVisibilityCSS: true });
  };
  const isOnlySpoken = (element, style) => {
    const classes = attributeOf(element, "class");
    if (classes && classes.split(/\s+/).some((name) => HIDDEN_CLASSES.has(name))) return true;
    if (style.position !== "absolute" && style.position !== "fixed") return false;
    if (/^rect\(\s*[01](px)?[\s,]+[01](px)?[\s,]+[01](px)?[\s,]+[01](px)?\s*\)$/.test(style.clip)) return true;
    if (/^inset\((50|100)%/.test(style.clipPath)) return true;
    if (parseFloat(style.left) <= -900 || parseFloat(style.top) <= -900) return true;
    return parseFloat(style.width) <= 1 && parseFloat(style.height) <= 1 && style.overflow !== "visible";
  };
  // Beside a shadow root, in a frame or in a canvas stands text for browsers that cannot show what is really drawn.
  // Of a part that was skipped so far (content-visibility), Chrome may give no box when it is asked for the first time.
  const isDrawn = (node) => {
    surround(range, node);
    return boxesOf(range).length > 0 || boxesOf(range).length > 0;
  };
  const hasArea = (element) => {
    const { width, height } = boxOf(element);
    return width > 1 && height > 1;
  };
  // The document of a frame of the page's own origin that a person sees, else null.
  const frameOf = (element) => {
    if (nameOf(element) !== "iframe") return null;
    try {
      const inside = frameDocumentOf(element);
      return inside !== null && isShown(element) && hasArea(element) ? inside : null;
    } catch (error) {
      return null;
    }
  };
  const slottedIn = (element) => {
    try {
      return assignedTo(element);
    } catch (error) {
      return [];
    }
  };
  const drawnChildrenOf = (element) => {
    const inside = shadowOf(element);
    if (inside !== null) return childrenOf(inside);
    const slotted = nameOf(element) === "slot" ? slottedIn(element) : [];
    return slotted.length ? slotted : childrenOf(element);
  };
  const selectedText = (element) => {
    const options = getter(HTMLSelectElement, "selectedOptions")(element);
    return Array.from(options, (option) => contentOf(option)).join(" ");
  };

  const piecesOf = (root, length) => {
    const pieces = [];
    let collected = 0;
    let visited = 0;
    const stack = [{ node: root, spoken: false, aria: false, style: null }];
    while (stack.length && collected < length * 2 && visited < limits.nodes) {
      const at = stack.pop();
      if (at.gap) {
        pieces.push({ gap: true });
        continue;
      }
      visited += 1;
      if (kindOf(at.node) === 3) {
        const text = contentOf(at.node).slice(0, length * 2);
        if (at.style.visibility === "visible" && text && (!text.trim() || isDrawn(at.node))) {
          pieces.push({ text, spoken: at.spoken, aria: at.aria, parent: at.parent });
          collected += text.trim().length;
        }
        continue;
      }
      if (kindOf(at.node) !== 1 || NEVER_DRAWN.has(nameOf(at.node))) continue;
      const style = getComputedStyle(at.node);
      if (style.display === "none" || isStruck(at.node, style)) continue;
      const isRoot = at.node === root;
      const aria = at.aria || (!isRoot && attributeOf(at.node, "aria-hidden") === "true");
      const spoken = at.spoken || (!isRoot && isOnlySpoken(at.node, style));
      if (nameOf(at.node) === "select") {
        pieces.push({ text: selectedText(at.node), spoken, aria, parent: at.node });
        continue;
      }
      const isBlock = nameOf(at.node) === "br" || !/^(inline|contents|ruby)/.test(style.display);
      if (isBlock) pieces.push({ gap: true });
      if (isBlock) stack.push({ gap: true });
      const children = drawnChildrenOf(at.node);
      const count = Math.min(children.length, limits.nodes);
      for (let index = count - 1; index >= 0; index -= 1) {
        stack.push({ node: children[index], spoken, aria, style, parent: at.node });
      }
    }
    return pieces;
  };
  const visibleText = (root, length, isNumber) => {
    const pieces = piecesOf(root, length);
    const has = (kind) => pieces.some((piece) => piece[kind] && piece.text.trim());
    // A price is often written twice: once for screen readers, once drawn in parts that readers skip. One of them counts.
    const left = has("spoken") && has("aria") ? "aria" : "spoken";
    let text = "";
    let gap = false;
    let parent = null;
    for (const piece of pieces) {
      if (piece[left]) continue;
      if (piece.gap) {
        gap = true;
        continue;
      }
      const next = piece.text.replace(/\s+/gu, " ");
      const glued = gap ? next.trimStart() : next;
      const before = gap ? text.trimEnd() : text;
      // "12" and a small, raised "99" are not 1299: digits of two elements are never joined.
      if (isNumber && piece.parent !== parent && /\p{Nd}$/u.test(before) && /^\p{Nd}/u.test(glued)) text = `${before}|${glued}`;
      else text += gap && text ? ` ${next}` : next;
      if (next.trim()) {
        gap = false;
        parent = piece.parent;
      }
    }
    return text.replace(/\s+/gu, " ").trim();
  };
  const readText = (element, length, isNumber) => {
    if (NEVER_DRAWN.has(nameOf(element))) return contentOf(element).trim();
    if (!isShown(element) || isStruckHere(element)) return "";
    if (nameOf(element) === "iframe") {
      const inside = frameOf(element);
      const body = inside === null ? null : bodyOf(inside);
      return body === null ? "" : visibleText(body, length, isNumber);
    }
    return visibleText(element, length, isNumber);
  };
  const FORM_FIELDS = new Map([["input", HTMLInputElement], ["select", HTMLSelectElement], ["textarea", HTMLTextAreaElement]]);
  const readAttribute = (element, name) => {
    if (name === "value") {
      const type = FORM_FIELDS.get(nameOf(element));
      // What only has such a name, in SVG or as a stranger's element, has no such value.
      if (type) return attempt("value", () => getter(type, "value")(element), attributeOf(element, name));
    }
    return attributeOf(element, name);
  };

  /* The parts of the plan */
  const readSource = (root, source) => {
    const values = [];
    for (const element of select(root, source.css).slice(0, limits.scanned)) {
      const value = source.attribute === null ? readText(element, source.length, source.number) : readAttribute(element, source.attribute);
      const kept = value === null || value.trim() === "" ? null : keep(value, source.length);
      if (kept !== null) values.push(kept);
      if (values.length >= limits.matches) break;
    }
    return values;
  };
  const readSources = (root, sources, part) => {
    const values = {};
    for (const [key, source] of Object.entries(sources)) values[key] = attempt(`${part}${key}`, () => readSource(root, source), []);
    return values;
  };

  let pageText = null;
  const textOfPage = () => {
    if (pageText === null) {
      const body = bodyOf(document);
      pageText = body ? visibleText(body, limits.text, false) : "";
    }
    return pageText;
  };
  // Words of markers are looked for in the browser's own rendering of the text: many times faster, and struck-through
  // words do no harm there.
  const renderedText = () => {
    const body = bodyOf(document);
    return body ? getter(HTMLElement, "innerText")(body).slice(0, limits.text) : "";
  };
  const folded = (text) => text.normalize("NFKC").toLowerCase().replace(/\s+/gu, " ").trim();
  let foldedPage = null;
  const foldedTextOfPage = () => (foldedPage ??= folded(renderedText()));
  const isThere = (element) => NEVER_DRAWN.has(nameOf(element)) || matches(element, "html, body, input[type=hidden]") || isShown(element);
  const holds = (marker) => {
    if (marker.css === null) return foldedTextOfPage().includes(folded(marker.text));
    const there = select(document, marker.css).slice(0, limits.scanned).filter(isThere);
    if (marker.text === null) return there.length > 0;
    return there.slice(0, limits.matches).some((element) => folded(readText(element, limits.text, false)).includes(folded(marker.text)));
  };

  const readLines = (line) => {
    const lines = [];
    for (const element of select(document, line.css).filter(isShown).slice(0, limits.lines)) {
      const values = readSources(element, line.sources, "line/");
      lines.push({ sources: values, text: line.text ? keep(visibleText(element, limits.line_text, true), limits.line_text) : null });
    }
    return lines;
  };

  const readJsonLd = () => {
    const blocks = [];
    let left = limits.json_ld;
    for (const element of selectIn(document, 'script[type*="ld+json" i]').slice(0, limits.scanned)) {
      const text = contentOf(element);
      if (text.length > left) {
        found.truncated = true;
        continue;
      }
      const kept = keep(text, left);
      left -= text.length;
      if (kept !== null) blocks.push(kept);
    }
    return blocks;
  };
  const itemValue = (element, depth) => {
    if (hasAttribute(element, "itemscope")) return depth > 0 ? readItem(element, depth - 1) : null;
    const given = attributeOf(element, "content") ?? attributeOf(element, "href") ?? attributeOf(element, "datetime");
    const isNumber = /price/i.test(attributeOf(element, "itemprop"));
    const value = given ?? (attributeOf(element, "value") || readText(element, limits.value, isNumber));
    return value === "" ? null : keep(value, limits.value);
  };
  const propertiesOf = (item) => {
    const owned = [];
    const stack = Array.from(childrenOf(item)).reverse();
    for (let visited = 0; stack.length && visited < limits.item_nodes && owned.length < limits.properties; visited += 1) {
      const node = stack.pop();
      if (kindOf(node) !== 1) continue;
      if (hasAttribute(node, "itemprop")) owned.push(node);
      if (!hasAttribute(node, "itemscope")) stack.push(...Array.from(childrenOf(node)).slice(0, limits.item_nodes).reverse());
    }
    return owned;
  };
  let itemsLeft = limits.items;
  const readItem = (element, depth) => {
    if (itemsLeft-- <= 0) return null;
    const item = { "@type": keep((attributeOf(element, "itemtype") ?? "").trim().split(/\s+/)[0], limits.value) };
    for (const property of propertiesOf(element)) {
      const value = itemValue(property, depth);
      if (value === null) continue;
      for (const name of attributeOf(property, "itemprop").split(/\s+/).slice(0, 5)) {
        if (!/^[a-zA-Z]\w{0,49}$/.test(name)) continue;
        (item[name] ??= []).push(value);
      }
    }
    return item;
  };
  const readMicrodata = () =>
    selectIn(document, "[itemscope][itemtype]:not([itemprop])").slice(0, limits.items).map((item) => readItem(item, 6)).filter((item) => item !== null);
  const readMeta = () => {
    const pairs = [];
    for (const element of selectIn(document, 'meta[property^="og:"], meta[property^="product:"]').slice(0, limits.properties)) {
      const content = keep(attributeOf(element, "content") ?? "", limits.value);
      const property = keep(attributeOf(element, "property"), 100);
      if (content !== null && property !== null) pairs.push([property, content]);
    }
    return pairs;
  };
  const CAPTCHA =
    'iframe[src*="captcha" i], iframe[src*="challenges.cloudflare.com" i], form[action*="captcha" i], form#challenge-form, ' +
    "#px-captcha, .g-recaptcha, .h-captcha, .cf-turnstile";

  found.url = attempt("url", () => keep(location.href, limits.url), null);
  found.title = attempt("title", () => keep(getter(Document, "title")(document), limits.value), null);
  found.lang = attempt("lang", () => keep(attributeOf(getter(Document, "documentElement")(document), "lang") ?? "", 35), null);
  found.status = attempt("status", () => performance.getEntriesByType("navigation")[0].responseStatus || null, null);
  found.captcha = attempt("captcha", () => selectIn(document, CAPTCHA).some(isShown), false);
  for (const [key, marker] of Object.entries(plan.markers)) {
    found.markers[key] = attempt(`markers/${key}`, () => holds(marker), false);
  }
  found.sources = attempt("sources", () => readSources(document, plan.sources, ""), {});
  found.lines = plan.line ? attempt("lines", () => readLines(plan.line), []) : null;
  found.json_ld = plan.structured ? attempt("json_ld", readJsonLd, []) : null;
  found.microdata = plan.structured ? attempt("microdata", readMicrodata, []) : null;
  found.meta = plan.structured ? attempt("meta", readMeta, []) : null;
  found.text = plan.text ? attempt("text", () => keep(textOfPage(), limits.text), null) : null;
  return found;
}
