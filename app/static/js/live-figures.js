// Keeps the numbers of #live-figures as they are on the server: by server-sent events where the pages come from the
// process that keeps connections open too, else by a WebSocket with a ticket, and by asking every few seconds while
// neither works. Whether such a process is there is asked first, so that nothing is tried in vain.

const API = "/api/v1/analytics";
const POLL_MS = 5000;
const FIRST_PAUSE_MS = 2000;
const LONGEST_PAUSE_MS = 60_000;
const SILENCE_MS = 70_000;
const HIDDEN_MS = 60_000;
const QUIET_MS = 30 * 60 * 1000;
const CAP = 10_000;
const WORDS = {
  live: "Live",
  polling: "Updated every few seconds",
  paused: "Paused while nobody is here",
  stale: "Not connected",
  out: "You are logged out: load the page again",
};

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

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** The figures of one page, and how they are kept up to date. */
class LiveFigures {
  constructor(root) {
    this.root = root;
    this.language = root.dataset.language;
    this.origin = root.dataset.origin;
    this.isLive = root.dataset.isLive === "yes";
    this.seq = Number(root.dataset.seq);
    this.etag = null;
    this.freshAt = Date.now();
    this.touchedAt = Date.now();
    this.isOver = false;
    this.transports = this.origin === location.origin ? [() => this.byEvents(), () => this.bySocket()] : [() => this.bySocket()];
    for (const name of ["pointermove", "pointerdown", "keydown", "scroll"]) {
      addEventListener(name, () => { this.touchedAt = Date.now(); }, { passive: true });
    }
    setInterval(() => this.showAge(), 1000);
  }

  async run() {
    let pause = FIRST_PAUSE_MS;
    while (!this.isOver) {
      await this.somebodyLooks();
      let frames = 0;
      for (const connect of this.isLive ? this.transports : []) {
        frames = await connect();
        if (frames || this.isOver) break;
      }
      if (this.isOver) break;
      pause = frames > 1 ? FIRST_PAUSE_MS : Math.min(pause * 2, LONGEST_PAUSE_MS);
      // Not all at once after a restart.
      await this.pollFor(pause * (0.5 + Math.random()));
    }
  }

  /** Server-sent events until they end; gives how many frames came. */
  byEvents() {
    return this.listen((ended, heard) => {
      const source = new EventSource(`${API}/events/dashboard`);
      source.onmessage = (message) => { if (!heard(message.data)) ended(); };
      source.addEventListener("closed", (message) => { this.endedBecause(JSON.parse(message.data).reason); ended(); });
      source.onerror = ended;
      return () => source.close();
    });
  }

  /** A WebSocket until it ends; what lets it in is a ticket that is good for once. */
  async bySocket() {
    const ticket = await this.ticket();
    if (!ticket) return 0;
    return this.listen((ended, heard) => {
      const socket = new WebSocket(`${this.origin.replace(/^http/, "ws")}${API}/ws/dashboard`, ["cartwright.figures", `ticket.${ticket}`]);
      socket.onmessage = (message) => { if (!heard(message.data)) socket.send('{"send":"full"}'); };
      socket.onclose = (event) => { this.endedBecause(event.reason); ended(); };
      return () => socket.close();
    });
  }

  listen(open) {
    return new Promise((resolve) => {
      let frames = 0;
      let heardAt = Date.now();
      let hiddenAt = null;
      const finish = () => {
        clearInterval(watch);
        close();
        resolve(frames);
      };
      const heard = (text) => {
        frames += 1;
        heardAt = Date.now();
        this.state("live");
        return this.take(JSON.parse(text));
      };
      const close = open(finish, heard);
      const watch = setInterval(() => {
        hiddenAt = document.hidden ? hiddenAt ?? Date.now() : null;
        const isForgotten = hiddenAt !== null && Date.now() - hiddenAt > HIDDEN_MS;
        if (isForgotten || Date.now() - heardAt > SILENCE_MS) finish();
      }, 1000);
    });
  }

  async ticket() {
    try {
      const headers = { Accept: "application/json", "X-CSRFToken": this.root.dataset.csrf };
      const answer = await fetch(`${API}/tickets`, { method: "POST", headers });
      return answer.ok ? (await answer.json()).ticket : null;
    } catch {
      return null;
    }
  }

  async pollFor(ms) {
    const until = Date.now() + ms;
    do {
      await this.poll();
      if (this.isOver) return;
      await sleep(this.isLive ? Math.min(POLL_MS, Math.max(FIRST_PAUSE_MS, until - Date.now())) : POLL_MS);
      await this.somebodyLooks();
    } while (Date.now() < until || !this.isLive);
  }

  async poll() {
    let answer;
    try {
      const headers = { Accept: "application/json", ...(this.etag ? { "If-None-Match": this.etag } : {}) };
      answer = await fetch(`${API}/dashboard`, { headers, redirect: "manual", cache: "no-store" });
    } catch {
      this.isLive = false;
      return this.state("stale");
    }
    if (answer.status === 401 || answer.status === 403) return this.endedBecause("unauthenticated");
    if (!answer.ok && answer.status !== 304) return this.state("stale");
    if (answer.ok) {
      const frame = await answer.json();
      this.etag = answer.headers.get("ETag");
      this.isLive = frame.live;
      this.take(frame);
    }
    this.freshAt = Date.now();
    return this.state("polling");
  }

  /** Show what a frame says; false where frames before it are missing. */
  take(frame) {
    if (frame.kind === "change" && frame.seq !== this.seq + 1) return false;
    this.seq = frame.seq;
    this.freshAt = Date.now();
    for (const [name, value] of Object.entries(frame.figures)) {
      for (const place of this.root.querySelectorAll(`[data-figure="${CSS.escape(name)}"]`)) {
        const text = written(value, place.dataset.form, this.language);
        if (place.textContent === text) continue;
        place.textContent = text;
        place.classList.remove("is-new");
        requestAnimationFrame(() => place.classList.add("is-new"));
      }
    }
    return true;
  }

  endedBecause(reason) {
    if (reason !== "unauthenticated") return;
    this.isOver = true;
    this.state("out");
  }

  /** Wait until the page is seen by somebody: who has left must not stay logged in because it asks in their place. */
  async somebodyLooks() {
    while (document.hidden || Date.now() - this.touchedAt > QUIET_MS) {
      this.state("paused");
      await sleep(1000);
    }
  }

  state(name) {
    const shown = this.root.querySelector(".live-state");
    if (shown.dataset.state === name) return;
    shown.dataset.state = name;
    shown.querySelector("[data-live-words]").textContent = WORDS[name];
    this.showAge();
  }

  showAge() {
    const shown = this.root.querySelector(".live-state");
    const seconds = Math.round((Date.now() - this.freshAt) / 1000);
    const isOld = shown.dataset.state === "stale" && seconds > 0;
    shown.querySelector("[data-live-age]").textContent = isOld ? `, figures of ${spoken(seconds)} ago` : "";
  }
}

function spoken(seconds) {
  if (seconds < 100) return `${seconds} s`;
  return seconds < 6000 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

const root = document.getElementById("live-figures");
if (root) new LiveFigures(root).run();
