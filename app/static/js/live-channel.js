// What keeps a page told of the dashboard's figures: server-sent events where the pages come from the process that keeps
// connections open too, else a WebSocket with a ticket, and asking every few seconds while neither works. Whether such a
// process is there is asked first, so that nothing is tried in vain.

const API = "/api/v1/analytics";
const POLL_MS = 5000;
const FIRST_PAUSE_MS = 2000;
const LONGEST_PAUSE_MS = 60_000;
const SILENCE_MS = 70_000;
const HIDDEN_MS = 60_000;
const QUIET_MS = 30 * 60 * 1000;
const WORDS = {
  live: "Live",
  polling: "Updated every few seconds",
  paused: "Paused while nobody is here",
  stale: "Not connected",
  out: "You are logged out: load the page again",
};

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** Shows in an element (.live-state, with where to connect as its data) how a page is kept up to date, and takes frames. */
export class LiveChannel {
  /** `take` is given each frame's figures by name: all of them, or those that have changed; `words` are other ones. */
  constructor(shown, take, words = {}) {
    this.shown = shown;
    this.words = { ...WORDS, ...words };
    this.tell = take;
    this.csrf = shown.dataset.csrf;
    this.origin = shown.dataset.origin;
    this.isLive = shown.dataset.isLive === "yes";
    this.seq = Number(shown.dataset.seq ?? -1);
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
      const headers = { Accept: "application/json", "X-CSRFToken": this.csrf };
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

  /** Tell what a frame says; false where frames before it are missing. */
  take(frame) {
    if (frame.kind === "change" && frame.seq !== this.seq + 1) return false;
    this.seq = frame.seq;
    this.freshAt = Date.now();
    this.tell(frame.figures);
    return true;
  }

  endedBecause(reason) {
    if (reason !== "unauthenticated") return;
    this.isOver = true;
    this.state("out");
  }

  /** Whether the page is seen by somebody: who has left must not stay logged in because it asks in their place. */
  get isWatched() {
    return !document.hidden && Date.now() - this.touchedAt < QUIET_MS;
  }

  async somebodyLooks() {
    while (!this.isWatched) {
      this.state("paused");
      await sleep(1000);
    }
  }

  state(name) {
    if (this.shown.dataset.state === name) return;
    this.shown.dataset.state = name;
    this.shown.querySelector("[data-live-words]").textContent = this.words[name];
    this.showAge();
  }

  showAge() {
    const seconds = Math.round((Date.now() - this.freshAt) / 1000);
    const isOld = this.shown.dataset.state === "stale" && seconds > 0;
    this.shown.querySelector("[data-live-age]").textContent = isOld ? `, figures of ${spoken(seconds)} ago` : "";
  }
}

function spoken(seconds) {
  if (seconds < 100) return `${seconds} s`;
  return seconds < 6000 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
