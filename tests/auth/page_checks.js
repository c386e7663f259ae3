// What is wrong with the page that is shown, as sentences: nothing is what every page should answer.
const found = [];
const root = document.documentElement;

const isShown = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
const label = (element) => `${element.tagName.toLowerCase()}${element.id ? "#" + element.id : ""} "${element.textContent.trim().slice(0, 30)}"`;

if (root.scrollWidth > root.clientWidth) found.push(`the page is ${root.scrollWidth} wide in ${root.clientWidth}`);
if (!root.lang) found.push("the page has no language");
if (document.querySelectorAll("h1").length !== 1) found.push(`the page has ${document.querySelectorAll("h1").length} h1`);
if (!document.querySelector("main#main")) found.push("there is no main to skip to");
if (document.title.startsWith(" ·")) found.push("the page has no title");

for (const element of document.querySelectorAll("*")) {
  if (element.hasAttribute("style")) found.push(`inline style: ${label(element)}`);
  for (const name of element.getAttributeNames()) if (name.startsWith("on")) found.push(`inline script: ${label(element)}`);
}
for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
  if (isShown(field) && !field.labels.length && !field.ariaLabel) found.push(`no label: ${field.name}`);
  const describing = field.getAttribute("aria-describedby");
  for (const id of (describing || "").split(" ").filter(Boolean)) {
    if (!document.getElementById(id)) found.push(`described by what is not there: ${id}`);
  }
}
for (const field of document.querySelectorAll("input[type=password], input[type=email]")) {
  if (!field.autocomplete) found.push(`no autocomplete: ${field.name}`);
}
for (const pressed of document.querySelectorAll("button, a[href], summary")) {
  const box = pressed.getBoundingClientRect();
  if (!isShown(pressed) || getComputedStyle(pressed).display === "inline") continue;
  if (!pressed.textContent.trim() && !pressed.ariaLabel) found.push(`no name: ${pressed.outerHTML.slice(0, 80)}`);
  if (box.width < 24 || box.height < 24) found.push(`too small to hit: ${label(pressed)} ${box.width}x${box.height}`);
}
const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
for (const id of new Set(ids.filter((each, at) => ids.indexOf(each) !== at))) found.push(`the id ${id} twice`);

// Contrast (WCAG 2.2, 1.4.3): text against the nearest ground that is not see-through.
const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
const rgba = (color) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
  return { red, green, blue, alpha: alpha / 255 };
};
const luminance = ({ red, green, blue }) => {
  const [r, g, b] = [red, green, blue].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const color = rgba(getComputedStyle(at).backgroundColor);
    if (color.alpha === 1) return color;
  }
  return rgba("white");
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const reported = new Set();
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const element = node.parentElement;
  if (!node.textContent.trim() || ["SCRIPT", "STYLE", "OPTION"].includes(element.tagName) || !isShown(element)) continue;
  if (element.closest("button:disabled, .visually-hidden, .skip-link")) continue;
  const style = getComputedStyle(element);
  const [light, dark] = [luminance(rgba(style.color)), luminance(ground(element))].sort((a, b) => b - a);
  const ratio = (light + 0.05) / (dark + 0.05);
  const isLarge = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
  const key = `${style.color} ${element.className}`;
  if (ratio < (isLarge ? 3 : 4.5) && !reported.has(key)) {
    reported.add(key);
    found.push(`contrast ${ratio.toFixed(2)}: ${label(element)}`);
  }
}
return found;
