"""Pages with hostile scripts."""

from __future__ import annotations

import itertools
from typing import Final

from app.rpa.rules.codes import Code
from tests.workers.hostile.page import DRIP_S, Answer, Hostile, Visitor, page, parts

_EVER: Final = "setInterval(() => { %s }, 1);"


def _script(source: str) -> Answer:
    def answer(visitor: Visitor) -> None:
        visitor.head("Content-Type: text/javascript", "Service-Worker-Allowed: /")
        visitor.send(source)

    return answer


def _events(visitor: Visitor) -> None:
    visitor.head("Content-Type: text/event-stream")
    visitor.pour(itertools.repeat(b"data: tick\n\n"), pause_s=DRIP_S)


def _silence(visitor: Visitor) -> None:
    visitor.closing.wait(20)


def _flood(visitor: Visitor) -> None:
    visitor.head()
    visitor.pour(itertools.repeat(b"x" * 100_000))


def _file(visitor: Visitor) -> None:
    visitor.head("Content-Type: application/octet-stream", "Content-Disposition: attachment; filename=evil.bin")
    visitor.send(b"\0" * 1000)


def _password(visitor: Visitor) -> None:
    visitor.head('WWW-Authenticate: Basic realm="x"', status="401 Unauthorized")


_FILL: Final = """
for (let at = 0; at < 100; at += 1) {
  try { localStorage.setItem(at, "x".repeat(1_000_000)); } catch (error) { break; }
}
const open = indexedDB.open("fill");
open.onupgradeneeded = () => open.result.createObjectStore("fill");
open.onsuccess = function fill() {
  const store = open.result.transaction("fill", "readwrite").objectStore("fill");
  store.add(crypto.getRandomValues(new Uint8Array(65536)), Math.random()).onsuccess = fill;
};
caches.open("fill").then(async (cache) => {
  for (let at = 0; at < 200; at += 1) await cache.put(`/x${at}`, new Response(new Uint8Array(1_000_000)));
});"""
_ASK: Final = """
navigator.geolocation.getCurrentPosition(() => {});
Notification.requestPermission();
navigator.mediaDevices.getUserMedia({audio: true, video: true}).catch(() => {});
navigator.clipboard.readText().catch(() => {});
navigator.storage.persist();
document.documentElement.requestFullscreen().catch(() => {});"""
_DEEP: Final = """
let at = document.body;
for (let depth = 0; depth < 50_000; depth += 1) at = at.appendChild(document.createElement("div"));
at.textContent = "deep";"""
_EAT: Final = """
const eaten = [];
setInterval(() => { eaten.push(new Uint8Array(20_000_000).fill(1)); }, 1);"""
_MANY: Final = """
const many = document.createDocumentFragment();
for (let at = 0; at < 100_000; at += 1) many.append(document.createElement("p"));
document.body.append(many);"""
_LARGE: Final = """
for (let at = 0; at < 50; at += 1) document.body.append(new Comment("word ".repeat(210_000)));"""
_REWRITE: Final = """
setTimeout(() => {
  const now = document.documentElement.outerHTML.replace("<i>SOON</i>", "<p class=price>$24.99</p>");
  const all = now.replace(/<script.*script>/s, "");
  document.open();
  document.write(all);
  document.close();
}, 100);"""
_BREAK: Final = """
Array.prototype.map = JSON.stringify = document.querySelectorAll = null;
Element.prototype.getAttribute = () => "B000000000";
window.Promise = class { constructor() { throw 1; } };
Object.defineProperty(Object.prototype, "then", {get() { throw 1; }});"""
_WORKER: Final = 'navigator.serviceWorker.register(location.pathname + "?%s", {scope: "/"});'
_ANSWER_ALL: Final = """
addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => event.respondWith(new Response("<h1>Mine</h1>")));
setInterval(() => {}, 1);"""
_LOAD_ALL: Final = """
addEventListener("install", (event) => event.waitUntil(fetch("?flood").then((answer) => answer.text())));"""
_OPEN_ALL: Final = """
new EventSource("?events");
new WebSocket(location.href.replace("http", "ws") + "?silence");
fetch("?silence");"""
_SYNC: Final = """
const request = new XMLHttpRequest();
request.open("GET", "?silence", false);
request.send();"""
_FRAMES: Final = """
const inside = "data:text/html,<script>top.location='OTHER/stolen'<\\/script>";
for (const src of ["javascript:parent.document.title='ran'", inside, "OTHER/framed",
    "file:///etc/passwd", "chrome://version", "view-source:" + location, "about:srcdoc", location.href]) {
  document.body.append(Object.assign(document.createElement("iframe"), {src}));
}"""
_DIALOGS: Final = 'alert("a"); confirm("b"); prompt("c");'
_SHOUT: Final = 'for (let at = 0; at < 100; at += 1) console.error("\\u001b[31m" + "x".repeat(10_000));'
_BUSY_WORKERS: Final = """
for (let at = 0; at < 4; at += 1) new Worker(URL.createObjectURL(new Blob(["while (true) {}"])));"""

SCRIPTS: Final = (
    Hostile("DIALOGS001", "dialogs without an end", Code.NAV_TIMEOUT, page(script=f"while (true) {{ {_DIALOGS} }}")),
    Hostile("DIALOGS002", "dialogs after it has loaded", None, page(script=_EVER % _DIALOGS)),
    Hostile("WINDOWS001", "new windows without an end", None, page(script=_EVER % 'open("?window" + Math.random());')),
    Hostile("PRINTS0001", "prints itself for ever", None, page(script="print();" + _EVER % "print();")),
    Hostile("CLOSES0001", "closes itself", None, page(script="close();")),
    Hostile(
        "ADDRESSES1",
        "changes its address for ever",
        None,
        page(script=_EVER % 'history.pushState({}, "", "/p/" + Math.random()); location.hash = Math.random();'),
    ),
    Hostile("REWRITES01", "writes itself anew when it has loaded", None, page(price="<i>SOON</i>", script=_REWRITE)),
    Hostile("BREAKS0001", "breaks what scripts use", None, page(script=_BREAK)),
    Hostile("SHOUTS0001", "fills the console", Code.SELECTOR_MISSING, page(price="", script=_EVER % _SHOUT)),
    Hostile(
        "SYNCWAIT01",
        "waits for an answer that never comes",
        Code.NAV_TIMEOUT,
        parts(main=page(script=_SYNC), silence=_silence),
    ),
    Hostile("DEEP000001", "50,000 elements one in the other", Code.TAB_CRASH, page(price="", script=_DEEP)),
    Hostile("MANYNODES1", "100,000 elements", None, page(script=_MANY)),
    Hostile("LARGEDOM01", "50 MB that a script makes", None, page(script=_LARGE)),
    Hostile("EATS000001", "takes memory for ever", Code.SELECTOR_MISSING, page(price="", script=_EAT)),
    Hostile("FILLS00001", "fills every storage", None, page(script=_FILL)),
    Hostile("BUSYWORK01", "keeps all cores busy beside the page", None, page(script=_BUSY_WORKERS)),
    Hostile(
        "STREAMS001",
        "events, sockets and requests that never end",
        None,
        parts(main=page(script=_OPEN_ALL), events=_events, silence=_silence),
    ),
    Hostile(
        "SERVICE001",
        "a service worker that answers for the shop",
        None,
        parts(main=page(script=_WORKER % "answer"), answer=_script(_ANSWER_ALL)),
    ),
    Hostile(
        "SERVICE002",
        "a service worker that loads without an end",
        Code.PAGE_TOO_LARGE,
        parts(main=page(price="", script=_WORKER % "load"), load=_script(_LOAD_ALL), flood=_flood),
    ),
    Hostile("ASKS000001", "asks for every permission", None, page(script=_ASK)),
    Hostile("FRAMES0001", "frames of scripts, files, itself and other hosts", None, page(script=_FRAMES)),
    Hostile(
        "FRAMELOAD1", "a download in a frame", None, parts(main=page(body='<iframe src="?file"></iframe>'), file=_file)
    ),
    Hostile(
        "PASSWORD01",
        "a frame that wants a password",
        None,
        parts(main=page(body='<iframe src="?password"></iframe>'), password=_password),
    ),
)
