// Figures with data-chart-url are drawn from what that address answers (a chart item) and drawn again when the theme or
// the width changes. BokehJS is fetched when the first chart needs it. "charts:refresh", sent to the document, brings
// all of them up to date; sent to a figure, that one. Keys walk along the points of a chart that has the focus: what is
// said where the pointer is, is then said below it.

const NARROW_PX = 520;
const LONG_MS = 30_000;
const FAILED = "The figures could not be loaded.";

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, PageDown: 10, PageUp: -10 };

const charts = new Map();
let library;
let language = "en"; // of the reader: all charts of a page have the same

/** Draw every figure of a document or element that is not drawn yet. */
export function drawCharts(root = document) {
  for (const figure of root.querySelectorAll("figure[data-chart-url]")) {
    if (!charts.has(figure)) charts.set(figure, new Chart(figure));
  }
}

/** Bring the charts of a document or element up to date; what is shown stays until the new figures are there. */
export function refreshCharts(root = document) {
  for (const [figure, chart] of charts) {
    if (!figure.isConnected) chart.forget();
    else if (root === document || root.contains(figure)) chart.load();
  }
}

class Chart {
  constructor(figure) {
    this.figure = figure;
    this.place = figure.querySelector("[data-chart]");
    this.turn = 0;
    this.watcher = new ResizeObserver(() => this.fit());
    this.watcher.observe(this.place);
    figure.querySelector("[data-chart-retry]")?.addEventListener("click", () => this.load());
    this.place.addEventListener("keydown", (event) => this.walk(event));
    this.place.addEventListener("blur", () => this.point(undefined));
    this.load();
  }

  async load() {
    const turn = ++this.turn;
    if (!this.item) this.show("loading");
    try {
      const address = this.figure.dataset.chartUrl;
      const item = await fetched(address);
      if (turn !== this.turn) return;
      const print = address + fingerprint(item);
      if (this.item && print === this.print) return;
      this.item = item;
      this.print = print;
      this.fill();
      await this.draw();
    } catch (error) {
      if (turn !== this.turn) return;
      if (this.item && !error.isFinal) return; // what is shown is better than nothing, and it is asked for again
      if (!(error instanceof Problem)) console.error(error);
      this.item = undefined;
      this.clear();
      this.say(error instanceof Problem ? error.message : FAILED);
      this.show("failed");
    }
  }

  fit() {
    const isNarrow = this.place.clientWidth < NARROW_PX;
    if (this.item && this.place.clientWidth && this.drawn !== look(isNarrow)) this.draw();
  }

  async draw() {
    if (this.item.empty) {
      this.clear();
      this.say(this.item.empty);
      this.show("empty");
      return;
    }
    const turn = (this.drawing = {});
    const [Bokeh] = await Promise.all([loaded(this.figure), document.fonts.ready]);
    await this.embedding?.catch(() => {}); // one after the other, so that what was drawn is let go of
    if (turn !== this.drawing || !this.figure.isConnected) return;
    this.show("drawn");
    if (!this.place.clientWidth) return; // hidden: fit() draws when there is room
    const isNarrow = this.place.clientWidth < NARROW_PX;
    const inner = document.createElement("div");
    inner.style.minHeight = `${this.item.height}px`; // so that nothing below it moves while it is drawn again
    this.drawn = look(isNarrow);
    this.fillLegend();
    this.root ??= this.place.attachShadow({ mode: "open" });
    const before = [...this.root.children];
    if (before.length) putBehind(inner, this.place.clientWidth);
    this.root.append(inner);
    inner.ariaHidden = "true"; // what it shows is said by point() and stands in the table
    language = this.item.language;
    this.embedding = Bokeh.embed.embed_item({ doc: adapted(this.item, isNarrow), root_id: this.item.root_id }, inner);
    const views = await this.embedding;
    if (before.length) await painted();
    if (turn !== this.drawing) {
      letGo(views);
      inner.remove();
      return;
    }
    this.remove();
    for (const old of before) old.remove();
    inner.style.cssText = `min-height: ${this.item.height}px`;
    this.views = views;
    for (const part of within(this.root)) if (part.tabIndex === 0) part.tabIndex = -1; // the place itself has the focus
    this.place.tabIndex = 0;
    this.point(this.at);
    this.figure.dataset.chartDrawn = this.drawn;
  }

  /** What pointers and keys find: BokehJS's renderer of it; undefined while nothing is drawn. */
  points() {
    const [view] = this.views ?? [];
    return view?.model.document?.get_model_by_name("points") ?? undefined;
  }

  walk(event) {
    const count = this.points()?.data_source.get_length() ?? 0;
    if (!count || event.ctrlKey || event.altKey || event.metaKey) return;
    const step = STEPS[event.key];
    const at = event.key === "Home" ? 0
      : event.key === "End" ? count - 1
      : event.key === "Escape" ? undefined
      : step === undefined ? null
      : this.at === undefined ? (step > 0 ? 0 : count - 1)
      : Math.min(count - 1, Math.max(0, this.at + step));
    if (at === null) return;
    event.preventDefault();
    this.point(at);
  }

  /** Mark a point and say it; undefined is none. */
  point(at) {
    const shown = this.points();
    const count = shown?.data_source.get_length() ?? 0;
    this.at = at === undefined || !count ? undefined : Math.min(at, count - 1);
    const said = this.figure.querySelector("[data-chart-point]");
    const words = this.at === undefined ? "" : shown.data_source.get_column("words")[this.at];
    if (said && said.textContent !== words) said.textContent = words;
    if (!shown) return;
    shown.data_source.inspected.indices = this.at === undefined ? [] : [this.at];
    shown.data_source.inspect.emit([shown, { geometry: { type: "keys" } }]); // a kind that tooltips leave alone
  }

  fill() {
    const caption = this.figure.querySelector("[data-chart-caption]");
    if (caption) {
      caption.textContent = this.item.caption;
      caption.hidden = !this.item.caption;
    }
    const table = this.figure.querySelector("table[data-chart-table]");
    if (!table || !this.item.table) return;
    table.tHead.replaceChildren(row("th", this.item.table.columns));
    table.tBodies[0].replaceChildren(...this.item.table.rows.map((cells) => row("td", cells)));
    table.closest("details").hidden = !this.item.table.rows.length;
  }

  /** The legend as text, which wraps where there is little room and is read aloud. */
  fillLegend() {
    const list = this.figure.querySelector("[data-chart-legend]");
    const colors = theme() === "dark" ? this.item.dark : {};
    list?.replaceChildren(...(this.item.legend ?? []).map((entry) => {
      const made = document.createElement("li");
      made.append(swatch({ ...entry, color: colors[entry.color] ?? entry.color }), entry.name);
      return made;
    }));
  }

  say(words) {
    for (const place of this.figure.querySelectorAll("[data-chart-words]")) place.textContent = words;
  }

  show(state) {
    this.figure.dataset.chartState = state;
    this.figure.setAttribute("aria-busy", String(state === "loading"));
    for (const part of this.figure.querySelectorAll("[data-chart-when]")) part.hidden = part.dataset.chartWhen !== state;
  }

  clear() {
    this.drawing = undefined;
    this.drawn = undefined;
    this.point(undefined);
    this.remove();
    this.root?.replaceChildren();
    this.place.removeAttribute("tabindex");
  }

  /** Let go of what was drawn. */
  remove() {
    if (this.views) letGo(this.views);
    this.views = undefined;
    delete this.figure.dataset.chartDrawn;
  }

  forget() {
    this.clear();
    this.turn += 1;
    this.watcher.disconnect();
    charts.delete(this.figure);
  }
}

/** BokehJS keeps every document until it is taken from its list. */
function letGo(views) {
  const documents = new Set([...views].map((view) => view.model.document));
  views.clear();
  for (const one of documents) window.Bokeh.documents.splice(window.Bokeh.documents.indexOf(one), 1);
}

/** Have a new picture drawn behind the old one, which is seen until the new one is done. */
function putBehind(inner, width) {
  Object.assign(inner.style, { position: "absolute", inset: "0 auto auto 0", width: `${width}px`, visibility: "hidden" });
}

const painted = () => new Promise((done) => {
  const late = setTimeout(done, 500); // no frame is drawn of a page that nobody sees
  requestAnimationFrame(() => requestAnimationFrame(() => { clearTimeout(late); done(); }));
});

/** What an item shows, whatever numbers the server gave the models in it. */
function fingerprint(item) {
  const numbers = new Map();
  const number = (id) => numbers.get(id) ?? numbers.set(id, `"#${numbers.size}"`).get(id);
  return JSON.stringify(item).replace(/"(?:p\d+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"/g, number);
}

/** What is told to who reads; `isFinal` where asking again would not help. */
class Problem extends Error {
  constructor(words, isFinal = true) {
    super(words);
    this.isFinal = isFinal;
  }
}

async function fetched(address) {
  const answer = await fetch(address, {
    headers: { Accept: "application/json" }, credentials: "same-origin", signal: AbortSignal.timeout(LONG_MS),
  });
  if (answer.ok) return answer.json();
  if (answer.status === 401) throw new Problem("Your session is over. Load the page again to log in.");
  if (answer.status >= 500) throw new Problem(FAILED, false);
  const problem = await answer.json().catch(() => ({}));
  const details = (problem.errors ?? []).map((error) => error.detail).filter(Boolean);
  throw new Problem([problem.detail ?? FAILED, ...details].join(" "));
}

/** BokehJS, fetched once. Style elements that it creates carry the page's nonce: without it the policy refuses them. */
function loaded(figure) {
  library ??= new Promise((resolve, reject) => {
    const { nonce } = document.querySelector("script[nonce]");
    const create = Document.prototype.createElement;
    Document.prototype.createElement = function createElement(name, ...more) {
      const made = create.call(this, name, ...more);
      if (String(name).toLowerCase() === "style") made.nonce = nonce;
      return made;
    };
    const script = document.createElement("script");
    script.src = figure.dataset.chartLibrary;
    script.nonce = nonce;
    script.addEventListener("load", () => {
      window.Bokeh.logger.set_level("error"); // set_log_level() says so in the console
      localise(window.Bokeh);
      resolve(window.Bokeh);
    });
    script.addEventListener("error", () => {
      library = undefined;
      script.remove();
      reject(new Error("BokehJS could not be loaded."));
    });
    document.head.append(script);
  });
  return library;
}

/** Let axes write dates and numbers as the reader does: BokehJS knows English months and few languages' numbers. */
function localise(Bokeh) {
  for (const [name, written] of [["DatetimeTickFormatter", writtenDate], ["NumeralTickFormatter", writtenNumber]]) {
    const { prototype } = Bokeh.Models.get(name);
    const format = prototype.doFormat;
    prototype.doFormat = function doFormat(ticks, ...more) {
      const labels = format.call(this, ticks, ...more);
      return language === "en" ? labels : labels.map((label, at) => written(label, ticks[at]));
    };
  }
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** A label of the axis of time, whose lines are a time, "3 Nov", "Nov 2026" or "2026". */
function writtenDate(label) {
  return label.split("\n").map((line) => {
    const [, day, name, year] = /^(?:(\d+) )?([A-Z][a-z]{2})(?: (\d{4}))?$/.exec(line) ?? [];
    const month = MONTHS.indexOf(name);
    if (month < 0) return line;
    const parts = { month: "short", ...(day && { day: "numeric" }), ...(year && { year: "numeric" }), timeZone: "UTC" };
    return new Intl.DateTimeFormat(language, parts).format(Date.UTC(year ?? 2024, month, day ?? 1));
  }).join("\n");
}

function writtenNumber(label, value) {
  const digits = Math.abs(value) < 1 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 2 };
  return new Intl.NumberFormat(language, { notation: "compact", useGrouping: "always", ...digits }).format(value);
}

/** Every element in a shadow root, and in those in it. */
function within(root) {
  return root ? [...root.querySelectorAll("*")].flatMap((one) => [one, ...within(one.shadowRoot)]) : [];
}

const theme = () => (document.documentElement.dataset.bsTheme === "dark" ? "dark" : "light");
const look = (isNarrow) => `${theme()} ${isNarrow ? "narrow" : "wide"}`;

/**
 * The document of an item in the theme's colours and, where it is narrow, with fewer ticks and shorter labels.
 * BokehJS must meet a model before what refers to it: they are put in that order, whatever order the JSON came in.
 */
function adapted(item, isNarrow) {
  const colors = theme() === "dark" ? item.dark : {};
  const models = new Map();
  const collect = (part) => {
    if (part === null || typeof part !== "object") return;
    if (part.type === "object" && part.id) models.set(part.id, part);
    Object.values(part).forEach(collect);
  };
  collect(item.doc);
  const met = new Set();
  const change = (part) => {
    if (typeof part === "string") return colors[part] ?? part;
    if (Array.isArray(part)) return part.map(change);
    if (part === null || typeof part !== "object") return part;
    const model = models.get(part.id);
    if (model && met.has(part.id)) return { id: part.id };
    if (model) met.add(part.id);
    const changed = Object.fromEntries(Object.entries(model ?? part).map(([name, value]) => [name, change(value)]));
    if (changed.type === "object" && changed.name === "Legend") changed.attributes.visible = false; // see fillLegend()
    if (isNarrow) narrow(changed);
    return changed;
  };
  return change(item.doc);
}

function narrow(part) {
  if (part.type === "field" && part.field === "label") part.field = "short";
  if (part.type !== "object" || !part.attributes) return;
  if (part.attributes.desired_num_ticks > 4) part.attributes.desired_num_ticks = 4;
}

const DASHES = { dashed: "5 3", dotted: "1.5 3", dotdash: "1.5 3 5 3", dashdot: "5 3 1.5 3" };
const HATCHES = { "/": "M2 14 14 2M8 16 18 6", x: "M2 14 14 2M2 2 14 14M8 14 18 4", "-": "M0 5H18M0 9H18", ".": "M4 5h2M10 5h2M7 9h2M13 9h2" };

/** How something looks in the chart, small: a line with its dashes, or a bar with its pattern. */
function swatch({ color, dash, hatch }) {
  const made = shape("svg", { width: 18, height: 14, viewBox: "0 0 18 14", "aria-hidden": "true" });
  if (hatch === null) {
    made.append(shape("path", { d: "M0 7H18", stroke: color, "stroke-width": 2.5, "stroke-dasharray": DASHES[dash] ?? "none" }));
    return made;
  }
  made.append(shape("rect", { y: 1, width: 18, height: 12, rx: 2, fill: color }));
  if (HATCHES[hatch]) made.append(shape("path", { d: HATCHES[hatch], class: "chart-hatch" }));
  return made;
}

function shape(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function row(kind, cells) {
  const made = document.createElement("tr");
  made.append(...cells.map((text, at) => {
    const cell = document.createElement(kind);
    if (kind === "th") cell.scope = "col";
    if (at) cell.className = "nums text-end";
    cell.textContent = text;
    return cell;
  }));
  return made;
}

new MutationObserver(() => {
  for (const chart of charts.values()) chart.fit();
}).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });

document.addEventListener("charts:refresh", (event) => {
  const chart = charts.get(event.target);
  if (chart) chart.load();
  else {
    refreshCharts(event.target);
    drawCharts(event.target);
  }
});

drawCharts();
