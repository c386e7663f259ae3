/*
 * Looks for what a profile of a shop may read: prices, names, brands, words about stock, buttons, links to the cart. One
 * function expression, called in an isolated world with words and limits; returns candidates, each with selectors that are
 * likely to last: ids, itemprop, data attributes, classes that are words. Never positions, never classes made by a machine.
 */
(plan) => {
  "use strict";
  const { words, limits } = plan;
  const MEANT = /price|prix|preis|precio|prezzo|prijs|title|name|product|brand|marque|marke|marca|merk|byline|stock|avail|lager|cart|basket|buy|add|amount|bestand|offer/i;
  const UTILITY =
    /^(?:[mpdwhuo]|m[trblxy]|p[trblxy]|text|font|bg|flex|grid|col|row|float|pull|is|has|js|clearfix|container|wrapper|inner|outer|content|hidden|block|inline|small|medium|large|big|bold|left|right|center|active|selected|first|last|odd|even|lead|red|green|btn|button|box|link|icon|item|main|section)(?:$|[-_])/i;
  const MACHINE = /^(?:css|sc|jss|emotion|svelte|chakra|styled?|mui)[-_]/i;
  const isWord = (text) => {
    if (!/^[A-Za-z][A-Za-z]+(?:[-_]{1,2}[A-Za-z]+)*$/.test(text) || text.length > 40 || MACHINE.test(text)) return false;
    if (!/[aeiouy]/i.test(text)) return false;
    return /^[a-z]+(?:[A-Z][a-z]+)*(?:[-_]+[A-Za-z][a-z]+)*$/.test(text) || MEANT.test(text);
  };
  const textOf = (element) => (element.innerText ?? "").replace(/\s+/gu, " ").trim();
  const isShown = (element) => element.checkVisibility({ visibilityProperty: true, checkVisibilityCSS: true });
  const isStruck = (element) => {
    for (let at = element; at; at = at.parentElement) {
      if (["DEL", "S", "STRIKE"].includes(at.tagName) || getComputedStyle(at).textDecorationLine.includes("line-through")) return true;
    }
    return false;
  };

  /* Selectors */
  const stepsOf = (element) => {
    const tag = element.localName;
    if (!/^[a-z][a-z0-9-]*$/.test(tag)) return [];
    const steps = [];
    const attributes = Array.from(element.attributes).slice(0, 40);
    if (isWord(element.id)) steps.push(`#${element.id}`);
    const itemprop = element.getAttribute("itemprop");
    if (itemprop && isWord(itemprop)) steps.push(`[itemprop="${itemprop}"]`);
    for (const { name, value } of attributes) {
      if (!/^data-[a-z]+(-[a-z]+)*$/.test(name)) continue;
      if (isWord(value)) steps.push(`[${name}="${value}"]`);
      else if (MEANT.test(name)) steps.push(`${tag}[${name}]`);
    }
    const name = element.getAttribute("name");
    if (name && isWord(name)) steps.push(`${tag}[name="${name}"]`);
    const classes = Array.from(element.classList).slice(0, 20).filter((one) => isWord(one) && !UTILITY.test(one));
    classes.sort((one, other) => Number(MEANT.test(other)) - Number(MEANT.test(one)));
    for (const one of classes) steps.push(`.${one}`);
    return steps.slice(0, 8);
  };
  const isUnique = (css) => {
    try {
      return document.querySelectorAll(css).length === 1;
    } catch (error) {
      return false;
    }
  };
  const selectorsOf = (element) => {
    const own = stepsOf(element);
    const found = own.filter(isUnique);
    if (element.localName === "h1" && isUnique("h1")) found.push("h1");
    const last = [...own, element.localName];
    for (let at = element.parentElement, up = 0; at && at !== document.body && up < 8; at = at.parentElement, up += 1) {
      for (const above of stepsOf(at)) for (const below of last) {
        if (found.length >= limits.selectors) return found;
        const css = `${above} ${below}`;
        if (css.length <= 200 && !found.includes(css) && isUnique(css)) found.push(css);
      }
    }
    return found;
  };

  /* Candidates */
  const heading = Array.from(document.querySelectorAll("h1")).find(isShown) ?? null;
  const place = heading?.getBoundingClientRect() ?? { top: 0, left: 0 };
  const sizeOf = (element) => Math.max(...[element, ...Array.from(element.querySelectorAll("*")).slice(0, 20)].map((one) => parseFloat(getComputedStyle(one).fontSize) || 0));
  const candidate = (element, text) => {
    const box = element.getBoundingClientRect();
    return {
      text: text.slice(0, 200).toWellFormed(),
      css: selectorsOf(element),
      size: sizeOf(element),
      distance: Math.hypot(box.top - place.top, (box.left - place.left) / 4),
      below: box.top >= place.top - 400,
      meant: MEANT.test(`${element.id} ${element.getAttribute("class") ?? ""} ${element.getAttribute("itemprop") ?? ""}`),
    };
  };
  const withParents = (element, text) => {
    // The parent says the same: its name is as good as this one's.
    const made = [candidate(element, text)];
    for (let at = element.parentElement, up = 0; at && at !== document.body && up < 3 && textOf(at) === text; at = at.parentElement, up += 1) {
      made.push(candidate(at, text));
    }
    return { ...made[0], css: made.flatMap((one) => one.css).slice(0, limits.selectors), meant: made.some((one) => one.meant) };
  };
  const nearest = (found) => found.filter((one) => one.css.length).sort((one, other) => one.distance - other.distance).slice(0, limits.candidates);

  const MONEY = /[€$£¥₹]|(?:^|[^a-z])(?:eur|usd|gbp|chf|sek|nok|dkk|pln|kr|zł)(?:$|[^a-z])/i;
  const folded = (text) => text.normalize("NFKC").toLowerCase().replace(/\s+/gu, " ").trim();
  const says = (text, list) => list.some((word) => text.includes(word));
  const found = { url: location.href.slice(0, 2000), lang: (document.documentElement.lang || "").slice(0, 35), site: "", names: [], prices: [], brands: [], stock: [], buttons: [], carts: [], identity: [] };
  found.site = (document.querySelector('meta[property="og:site_name"]')?.content ?? "").slice(0, 100).toWellFormed();
  found.region = (document.querySelector('meta[property="og:locale"]')?.content ?? "").slice(0, 35).toWellFormed();
  if (heading) found.names.push(candidate(heading, textOf(heading)));

  const all = Array.from(document.body?.querySelectorAll("*") ?? []).slice(0, limits.elements);
  let read = 0;
  for (const element of all) {
    if (read >= limits.read) break;
    const inside = element.textContent;
    if (!inside || inside.length > 400 || ["SCRIPT", "STYLE", "NOSCRIPT", "TEMPLATE", "OPTION", "SELECT"].includes(element.tagName)) continue;
    if (!isShown(element)) continue;
    read += 1;
    const text = textOf(element);
    if (!text || text.length > 120) continue;
    const plain = folded(text);
    const isDeepest = !Array.from(element.children).some((child) => textOf(child) === text);
    if (!isDeepest) continue;
    if (text.length <= 40 && /\p{Nd}/u.test(text) && MONEY.test(text) && !isStruck(element)) found.prices.push(withParents(element, text));
    if (plain.length <= 80 && says(plain, words.stock) && !element.closest("button, a, blockquote, [role=button]")) found.stock.push(withParents(element, text));
    const named = `${element.id} ${element.getAttribute("class") ?? ""} ${element.getAttribute("itemprop") ?? ""} ${element.parentElement?.getAttribute("class") ?? ""} ${element.parentElement?.id ?? ""}`;
    if (text.length <= 80 && /brand|byline|manufacturer|vendor|marque|marke(?!t)|marca|merk/i.test(named)) found.brands.push(withParents(element, text));
  }
  const label = (element) => folded(`${element.innerText ?? ""} ${element.value ?? ""} ${element.getAttribute("aria-label") ?? ""} ${element.title ?? ""}`);
  for (const element of document.querySelectorAll('button, input[type=submit], input[type=button], input[type=image], a[role=button], a[class*="btn" i], a[class*="button" i], [data-add-to-cart]')) {
    const text = label(element);
    if (found.buttons.length < 50 && text.length <= 80 && says(text, words.buy) && isShown(element)) found.buttons.push(candidate(element, text));
  }
  for (const element of Array.from(document.querySelectorAll("a[href]")).slice(0, 2000)) {
    const url = URL.parse(element.href, location.href);
    if (url === null || url.host !== location.host || url.pathname.length > 200) continue;
    const isPath = words.paths.some((word) => url.pathname.toLowerCase().split(/[/_.-]/).includes(word));
    const isSaid = says(label(element), words.cart);
    if ((isPath || isSaid) && !/add|remove|wish/i.test(url.pathname) && found.carts.length < 50) {
      found.carts.push({ path: url.pathname, isPath, isSaid });
    }
  }
  for (const css of ["link[rel=canonical]", "meta[property='og:url']", "[itemprop=sku]", "input[name=asin]", "input#asin", "input#ASIN", "[data-asin]"]) {
    const element = document.querySelector(css);
    if (element === null || (css === "[data-asin]" && !isUnique(css))) continue;
    for (const attribute of ["href", "content", "value", "data-asin"]) {
      const value = element.getAttribute(attribute);
      if (value) found.identity.push({ css: css.replaceAll("'", '"'), attribute, value: value.slice(0, 500).toWellFormed() });
    }
  }
  for (const kind of ["prices", "brands", "stock", "buttons"]) found[kind] = nearest(found[kind]);
  found.prices.sort((one, other) => other.size - one.size || one.distance - other.distance);
  return found;
}
