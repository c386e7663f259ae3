/*
 * Reads what can be chosen on a product's page: for each option of the plan the choices, in the page's order. A form's named
 * controls shadow the form's properties only, so the elements' own can be read. Called in an isolated world with
 * {options: {name: {css, unavailable, chosen}}, limits: {choices, length}}; never throws.
 */
(plan) => {
  "use strict";
  const { choices: most, length } = plan.limits;
  const cut = (text) => (text ?? "").replace(/\s+/gu, " ").trim().slice(0, length).toWellFormed();
  const isShown = (element) => element.checkVisibility({ visibilityProperty: true });
  const fits = (element, css) => {
    try {
      return css !== null && element.matches(css);
    } catch (error) {
      return false;
    }
  };
  const labelsOf = (element) => (element instanceof HTMLInputElement ? Array.from(element.labels ?? []) : []);
  const says = (element, name) => element.getAttribute(name) === "true";
  const wordsOf = (element) => [
    element.getAttribute("aria-label"),
    ...labelsOf(element).map((label) => label.innerText),
    element.innerText,
    element.getAttribute("title"),
    element.querySelector("img[alt]")?.getAttribute("alt"),
  ];
  const codesOf = (element) => [element.getAttribute("value"), element.getAttribute("data-value")];
  const kept = (texts) => Array.from(new Set(texts.map(cut).filter((text) => text !== "")));
  const choice = (element, at, inner, option, state) => ({
    at,
    inner,
    words: kept(wordsOf(element)),
    codes: kept(codesOf(element)),
    disabled: state.disabled || element.matches(":disabled") || says(element, "aria-disabled") || fits(element, option.unavailable),
    chosen: state.chosen || fits(element, option.chosen),
  });
  const inSelect = (select, at, option) => {
    const found = [];
    for (const [inner, element] of Array.from(select.options).entries()) {
      if (element.value === "" || found.length >= most) continue;
      found.push(choice(element, at, inner, option, { disabled: select.disabled, chosen: element.selected && !element.disabled }));
    }
    return found;
  };
  const isChosen = (element) =>
    (element instanceof HTMLInputElement && element.checked) || ["aria-checked", "aria-pressed", "aria-selected"].some((name) => says(element, name));
  const read = (option) => {
    const found = [];
    for (const [at, element] of Array.from(document.querySelectorAll(option.css)).entries()) {
      if (found.length >= most) break;
      if (![element, ...labelsOf(element)].some(isShown)) continue;
      if (element instanceof HTMLSelectElement) found.push(...inSelect(element, at, option));
      else found.push(choice(element, at, null, option, { disabled: false, chosen: isChosen(element) }));
    }
    return found.slice(0, most);
  };
  const answer = {};
  for (const [name, option] of Object.entries(plan.options)) {
    try {
      answer[name] = read(option);
    } catch (error) {
      answer[name] = [];
    }
  }
  return answer;
}
