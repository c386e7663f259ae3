// The numbers of the dashboard as they are on the server.
import { LiveChannel } from "./live-channel.js";

const CAP = 10_000;
const EVERY_MS = 60_000;

/** A figure as text, as app/analytics/views/figures.py writes it. */
export function written(value, form, language) {
  if (value === null || value === undefined) return "–";
  if (form === "money") {
    return new Intl.NumberFormat(language, {
      style: "currency", currency: value.currency, minimumFractionDigits: decimalsOf(value.amount),
      maximumFractionDigits: decimalsOf(value.amount),
    }).format(value.amount);
  }
  if (form === "percent") {
    return new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 }).format(Number(value) / 100);
  }
  const number = new Intl.NumberFormat(language).format(value);
  return form === "count" && value >= CAP ? `${number}+` : number;
}

function decimalsOf(amount) {
  return (amount.split(".")[1] || "").length;
}

const root = document.getElementById("live-figures");

function show(figures) {
  for (const [name, value] of Object.entries(figures)) {
    for (const place of root.querySelectorAll(`[data-figure="${CSS.escape(name)}"]`)) {
      const text = written(value, place.dataset.form, root.dataset.language);
      if (place.textContent === text) continue;
      place.textContent = text;
      place.classList.remove("is-new");
      requestAnimationFrame(() => place.classList.add("is-new"));
    }
  }
}

if (root) {
  const channel = new LiveChannel(root.querySelector(".live-state"), show);
  channel.run();
  setInterval(() => { if (channel.isWatched && !channel.isOver) document.dispatchEvent(new Event("charts:refresh")); }, EVERY_MS);
}
