// Keeps a page of figures as the server has it: read again when the live channel tells that something it shows may have
// changed, and now and then in any case. Only what differs is changed in place, so that what is open stays open, the focus
// and the scrolled place stay, and nothing flickers. How long the server took says how long it is left alone.
import { LiveChannel } from "./live-channel.js";

const SOONEST_MS = 15_000;
const LATEST_MS = 120_000;
const LONGEST_PAUSE_MS = 600_000;
const SHARE = 50;
const LONG_MS = 30_000;
const WORDS = { polling: "Kept up to date" };

class FreshFigures {
  constructor(state) {
    this.prefixes = state.dataset.watches.split(" ").filter(Boolean);
    this.known = new Map();
    this.readAt = Date.now();
    this.pause = SOONEST_MS;
    this.isDue = false;
    this.isReading = false;
    this.channel = new LiveChannel(state, (figures) => this.hear(figures), WORDS);
    this.jitter = 0.8 + Math.random() * 0.4; // many pages that were told at once do not ask at once
    setInterval(() => this.turn(), 1000);
    if (!state.hidden) this.channel.run();
  }

  /** Note whether a figure has changed that the page is about; the first ones are those that it shows already. */
  hear(figures) {
    const isFirst = this.known.size === 0;
    for (const [name, value] of Object.entries(figures)) {
      const text = JSON.stringify(value);
      const isNew = this.known.get(name) !== text;
      this.known.set(name, text);
      if (isNew && !isFirst && this.prefixes.some((prefix) => name.startsWith(prefix))) this.isDue = true;
    }
  }

  async turn() {
    const age = Date.now() - this.readAt;
    const isTime = age > this.pause * this.jitter && (this.isDue || age > Math.max(this.pause, LATEST_MS) * this.jitter);
    if (this.isReading || !isTime || !this.channel.isWatched || this.channel.isOver) return;
    if (isInUse() && age < 2 * LATEST_MS) return;
    this.isReading = true;
    this.isDue = false;
    const began = performance.now();
    const isGood = await refresh();
    const took = performance.now() - began;
    this.pause = Math.min(LONGEST_PAUSE_MS, isGood ? Math.max(SOONEST_MS, took * SHARE) : this.pause * 2);
    this.readAt = Date.now();
    this.isReading = false;
  }
}

/** Whether somebody marks text, presses a button of the mouse or points at a chart, none of which is to be disturbed. */
function isInUse() {
  const main = document.getElementById("main");
  const selection = document.getSelection();
  const isMarked = selection && !selection.isCollapsed && main.contains(selection.anchorNode);
  return isMarked || main.querySelector("a:active, button:active, summary:active, [data-chart]:hover, [data-chart]:focus") !== null;
}

/** Bring the page up to date; false where the server did not answer with it. */
async function refresh() {
  try {
    const answer = await fetch(location.href, {
      headers: { Accept: "text/html" }, redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(LONG_MS),
    });
    if (!answer.ok) return false;
    const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
    if (!next) return false;
    const main = document.getElementById("main");
    const focused = document.activeElement;
    become(main, next);
    if (focused !== document.activeElement && main.contains(focused)) focused.focus({ preventScroll: true });
  } catch {
    return false;
  }
  document.dispatchEvent(new Event("charts:refresh"));
  return true;
}

/** Make an element's attributes and content those of another one, in place as far as the two are alike. */
function become(old, next) {
  if (old.matches("form, script, .live-state, [data-chart]")) return;
  for (const { name, value } of next.attributes) {
    if (old.getAttribute(name) !== value && !isOfReader(old, name)) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!next.hasAttribute(name) && !isOfReader(old, name)) old.removeAttribute(name);
  }
  if (old.matches("figure[data-chart-url]")) return; // charts.js has filled it, and does so again
  const wanted = [...next.childNodes];
  const kept = new Set(wanted.map(keyOf));
  for (const child of [...old.children]) if (keyOf(child) && !kept.has(keyOf(child))) child.remove();
  const keyed = new Map([...old.children].map((child) => [keyOf(child), child]));
  let at = old.firstChild;
  for (const node of wanted) {
    const key = keyOf(node);
    const found = key ? keyed.get(key) : at;
    if (found && keyOf(found) === key && isAlike(found, node)) {
      keyed.delete(key);
      if (found === at) at = at.nextSibling;
      else old.insertBefore(found, at);
      if (found.nodeType === Node.ELEMENT_NODE) become(found, node);
      else if (found.data !== node.data) found.data = node.data;
    } else {
      old.insertBefore(document.adoptNode(node), at);
    }
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

const isAlike = (old, next) => old.nodeType === next.nodeType && old.nodeName === next.nodeName;

/** What the reader, or a script of ours, has set and the server knows nothing of. */
function isOfReader(element, name) {
  return (element.localName === "details" && name === "open") || name === "nonce" || (element.matches("figure[data-chart-url]") && name !== "data-chart-url");
}

/** What makes a part the same one wherever it stands: its id, or of a row in a table where it leads to. */
function keyOf(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return null;
  return node.id || (node.localName === "tr" && node.querySelector("a[href]")?.getAttribute("href")) || null;
}

const state = document.querySelector(".live-state[data-watches]");
if (state) new FreshFigures(state);
