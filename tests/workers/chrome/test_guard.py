"""What the running browser may reach: exactly the allowed host and port, whatever a page tries."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.rpa.profiles.profile import Profile
from app.rpa.rules.codes import Code
from tests.core.test_mail import certificate
from tests.workers.shop import Shop
from workers.chrome.browser import Browser
from workers.errors import TaskError

TRY_EVERYTHING = """async (hosts) => {
  const silence = (go) => setTimeout(go, 8000, "silent");
  const settled = (promise) => Promise.race([promise.then(() => "reached", () => "refused"), new Promise(silence)]);
  const opened = (source) => new Promise((go, stop) => { source.onopen = go; source.onerror = stop; });
  const loaded = (element, address) => new Promise((go, stop) => {
    element.onload = go;
    element.onerror = stop;
    element.src = address;
    document.body.append(element);
  });
  const tryHost = async (host) => {
    const address = `http://${host}/stolen`;
    document.body.append(Object.assign(document.createElement("iframe"), {src: address}));
    navigator.sendBeacon(address);
    for (const rel of ["preconnect", "prefetch", "preload", "stylesheet"]) {
      document.head.append(Object.assign(document.createElement("link"), {rel, href: address, as: "style"}));
    }
    return [host, await Promise.all([
      settled(fetch(address, {mode: "no-cors"})),
      settled(fetch(`/to?${encodeURIComponent(address)}`, {mode: "no-cors"})),
      settled(loaded(new Image(), address)),
      settled(loaded(document.createElement("script"), address)),
      settled(opened(new WebSocket(`ws://${host}/stolen`))),
      settled(opened(new EventSource(address))),
    ])];
  };
  return Object.fromEntries(await Promise.all(hosts.map(tryHost)));
}"""

TRY_WEBRTC = """async ([udp, tcp]) => {
  const account = {username: "a", credential: "b"};
  const servers = [
    {urls: `stun:127.0.0.1:${udp}`},
    {urls: `turn:127.0.0.1:${udp}?transport=udp`, ...account},
    {urls: `turn:127.0.0.1:${tcp}?transport=tcp`, ...account},
    {urls: `turns:127.0.0.1:${tcp}?transport=tcp`, ...account},
  ];
  const mine = new RTCPeerConnection({iceServers: servers});
  mine.createDataChannel("x");
  await mine.setLocalDescription(await mine.createOffer());
  const theirs = new RTCPeerConnection();
  await theirs.setRemoteDescription(mine.localDescription);
  await theirs.setLocalDescription(await theirs.createAnswer());
  await mine.setRemoteDescription(theirs.localDescription);
  const place = {sdpMid: "0", sdpMLineIndex: 0};
  const udpPlace = `candidate:1 1 udp 2122260223 127.0.0.1 ${udp} typ host`;
  const tcpPlace = `candidate:2 1 tcp 1518280447 127.0.0.1 ${tcp} typ host tcptype passive`;
  await mine.addIceCandidate({candidate: udpPlace, ...place});
  await mine.addIceCandidate({candidate: tcpPlace, ...place});
  const web = new WebTransport(`https://127.0.0.1:${udp}/`);
  web.ready.catch(() => {});
  web.closed.catch(() => {});
  await new Promise((go) => setTimeout(go, 1500));
  return mine.iceGatheringState;
}"""


@pytest.fixture(scope="module")
def shop_v6() -> Iterator[Shop]:
    """A server on the IPv6 loopback address."""
    shop = Shop(family=socket.AF_INET6)
    yield shop
    shop.close()


def forbidden_hosts(other: Shop, six: Shop) -> list[str]:
    return [
        f"127.0.0.1:{other.port}",
        f"localhost:{other.port}",
        f"shop.localhost:{other.port}",
        f"[::1]:{six.port}",
        f"[::ffff:127.0.0.1]:{other.port}",
        f"2130706433:{other.port}",
        f"0177.0.0.1:{other.port}",
        f"0x7f.1:{other.port}",
        f"{socket.gethostname()}:{other.port}",
        f"127.1:{other.port}",
        f"017700000001:{other.port}",
        f"0x7f000001:{other.port}",
        f"127.0.0.1.:{other.port}",
        f"\uff11\uff12\uff17.0.0.1:{other.port}",
        f"\u2460\u2461\u2466.0.0.1:{other.port}",
        f"0.0.0.0:{other.port}",
        f"[::]:{six.port}",
        f"[::ffff:7f00:1]:{other.port}",
        f"[::7f00:1]:{other.port}",
        f"[64:ff9b::7f00:1]:{other.port}",
        f"[2002:7f00:1::]:{other.port}",
        f"[2001:0:7f00:1::]:{other.port}",
        f"[fe80::1]:{six.port}",
        "100.64.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
    ]


def test_no_request_of_a_page_reaches_anything_that_is_not_allowed(
    warm_browsers: Callable[[Profile], Browser], shop: Shop, other_shop: Shop, shop_v6: Shop
) -> None:
    browser = warm_browsers(shop.profile(load_images=True, timeouts={"script_s": 10}))
    allowed_host = f"127.0.0.1:{shop.port}"
    same_server = [f"localhost:{shop.port}", f"[::ffff:127.0.0.1]:{shop.port}"]
    before = len(other_shop.requests)
    forbidden = forbidden_hosts(other_shop, shop_v6) + same_server
    with browser.context() as page:
        page.open(f"{shop.address}/hello")
        allowed = page.run(TRY_EVERYTHING, [allowed_host], timeout_s=10)
    reached = shop.paths.count("/stolen")
    results: dict[str, list[str]] = {}
    for at in range(0, len(forbidden), 6):  # of many failed sockets Chrome makes a page wait for more
        with browser.context() as page:
            page.open(f"{shop.address}/hello")
            results |= page.run(TRY_EVERYTHING, forbidden[at : at + 6], timeout_s=30)
            page.idle(0.2)
    assert allowed[allowed_host][:3] == ["reached", "reached", "refused"]  # the picture's answer is a page
    assert reached >= 6
    assert {host: found for host, found in results.items() if set(found) != {"refused"}} == {}
    assert list(results) == forbidden
    assert other_shop.paths[before:] == []
    assert shop_v6.paths == []
    assert shop.paths.count("/stolen") == reached


@pytest.mark.parametrize("engine", ["shell", "chrome"])
def test_no_navigation_or_redirect_reaches_anything_that_is_not_allowed(
    warm: Callable[[str], Browser], shop: Shop, other_shop: Shop, shop_v6: Shop, engine: str
) -> None:
    browser = warm(engine)
    before = len(other_shop.requests)
    for host in forbidden_hosts(other_shop, shop_v6):
        for address in (f"http://{host}/stolen", f"{shop.address}/to?http://{host}/stolen"):
            with browser.context() as page, pytest.raises(TaskError) as refused:
                page.open(address)
            assert refused.value.code is Code.REDIRECTED_OFFSITE, address
    assert other_shop.paths[before:] == []
    assert shop_v6.paths == []


@pytest.mark.parametrize("engine", ["shell", "chrome"])
@pytest.mark.parametrize("address", ["file:///etc/passwd", "chrome://version", "view-source:http://127.0.0.1/"])
def test_a_page_cannot_lead_the_browser_to_local_files_or_its_own_pages(
    warm: Callable[[str], Browser], shop: Shop, engine: str, address: str
) -> None:
    browser = warm(engine)
    with browser.context() as page:
        with pytest.raises(TaskError) as refused:
            page.open(f"{shop.address}/to?{address}")
        assert refused.value.code in {Code.REDIRECTED_OFFSITE, Code.NO_DOCUMENT}
    with browser.context() as page:
        page.open(f"{shop.address}/hello")
        page.run("(address) => { location.href = address; open(address); }", address, timeout_s=2)
        page.idle(0.3)
        assert page.run("() => document.body.innerText", None, timeout_s=2) == "Hello"


LEADING_OUT = {  # part of the path it asks for: what is in the page
    "image": '<img src="TO/image">',
    "picture": '<picture><source srcset="TO/picture"><img></picture>',
    "poster": '<video poster="TO/poster"></video>',
    "video": '<video src="TO/video" preload="auto"></video>',
    "track": '<video><track src="TO/track" default></video>',
    "script": '<script src="TO/script"></script>',
    "module": '<script type="module">import "TO/module";</script>',
    "style": '<link rel="stylesheet" href="TO/style">',
    "import": '<style>@import "TO/import";</style>',
    "font": '<style>@font-face {font-family: f; src: url("TO/font")} p {font-family: f}</style><p>Text</p>',
    "background": '<style>main {background: url("TO/background")}</style><main>Text</main>',
    "icon": '<link rel="icon" href="TO/icon">',
    "manifest": '<link rel="manifest" href="TO/manifest">',
    "preload": '<link rel="preload" as="fetch" href="TO/preload">',
    "modulepreload": '<link rel="modulepreload" href="TO/modulepreload">',
    "prefetch": '<link rel="prefetch" href="TO/prefetch">',
    "prerender": '<link rel="prerender" href="TO/prerender">',
    "preconnect": '<link rel="preconnect" href="TO"><link rel="dns-prefetch" href="TO">',
    "frame": '<iframe src="TO/frame"></iframe>',
    "object": '<object data="TO/object"></object>',
    "embed": '<embed src="TO/embed">',
    "speculation": '<script type="speculationrules">'
    '{"prefetch": [{"urls": ["TO/speculation"], "eagerness": "immediate"}],'
    ' "prerender": [{"urls": ["TO/speculation2"], "eagerness": "immediate"}]}</script>',
    "form": '<form action="TO/form" target="inside" id="send"></form><iframe name="inside"></iframe>'
    "<script>document.forms.send.submit()</script>",
    "ping": '<a href="#here" ping="TO/ping" id="a">a</a><script>document.querySelector("#a").click()</script>',
    "beacon": '<script>navigator.sendBeacon("TO/beacon")</script>',
    "keepalive": '<script>fetch("TO/keepalive", {mode: "no-cors", keepalive: true})</script>',
    "later": '<script>addEventListener("pagehide", () => navigator.sendBeacon("TO/later"))</script>',
    "worker": "<script>new Worker(URL.createObjectURL(new Blob(['importScripts(\"TO/worker\")'])))</script>",
    "shared": '<script>new SharedWorker(`data:text/javascript,fetch("TO/shared", {mode: "no-cors"})`)</script>',
    "report": '<meta http-equiv="Content-Security-Policy-Report-Only" content="img-src x"><script>eval("1")</script>',
}
HEADERS_LEADING_OUT = {
    "Link": "<TO/link>; rel=preload; as=style, <TO/link2>; rel=prefetch, <TO>; rel=preconnect",
    "Content-Security-Policy-Report-Only": "script-src 'none'; report-uri TO/csp; report-to out",
    "Reporting-Endpoints": 'out="TO/reports"',
    "Report-To": '{"group": "out", "max_age": 999, "endpoints": [{"url": "TO/reportto"}]}',
    "NEL": '{"report_to": "out", "max_age": 999, "success_fraction": 1.0}',
    "Speculation-Rules": '"TO/rules"',
    "SourceMap": "TO/map",
}


@pytest.mark.parametrize("engine", ["shell", "chrome"])
def test_nothing_that_a_page_or_its_headers_name_is_fetched_from_elsewhere(
    warm_browsers: Callable[[Profile], Browser], shop: Shop, other_shop: Shop, engine: str
) -> None:
    browser = warm_browsers(shop.profile(load_images=True, engine=engine, timeouts={"page_load_s": 60}))
    reached = {}
    for to in (shop, other_shop):
        before = len(to.requests)
        shop.given = (
            "<!doctype html>" + "".join(LEADING_OUT.values()).replace("TO", to.address),
            {name: value.replace("TO", to.address) for name, value in HEADERS_LEADING_OUT.items()},
        )
        with browser.context() as page:
            page.open(f"{shop.address}/given")
            page.idle(3)
        reached[to] = {path for path in to.paths[before:] if path != "/given"}
    assert len(reached[shop]) > 20, reached[shop]
    assert reached[other_shop] == set()


def test_webrtc_and_webtransport_send_nothing(browser: Browser, shop: Shop) -> None:
    heard: list[str] = []
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    tcp = socket.create_server(("127.0.0.1", 0))

    def listen(sock: socket.socket, receive: Callable[[], Any], name: str) -> None:
        with suppress(OSError):
            while True:
                receive()
                heard.append(name)

    threads = [
        threading.Thread(target=listen, args=(udp, lambda: udp.recvfrom(100), "udp"), daemon=True),
        threading.Thread(target=listen, args=(tcp, tcp.accept, "tcp"), daemon=True),
    ]
    for thread in threads:
        thread.start()
    with browser.context() as page:
        page.open(f"{shop.address}/hello")
        page.run(TRY_WEBRTC, [udp.getsockname()[1], tcp.getsockname()[1]], timeout_s=10)
    udp.close()
    tcp.close()
    assert heard == []


ASK = """async () => {
  const names = ["accelerometer", "background-sync", "camera", "clipboard-read", "clipboard-write", "geolocation",
    "gyroscope", "idle-detection", "local-fonts", "local-network-access", "magnetometer", "microphone", "midi",
    "notifications", "persistent-storage", "screen-wake-lock", "window-management"];
  const states = await Promise.all(names.map((name) => navigator.permissions.query({name}).then((is) => is.state)));
  const located = new Promise((go) => navigator.geolocation.getCurrentPosition(() => go("found"), (no) => go(no.code)));
  return [[...new Set(states)], await Notification.requestPermission(), await located];
}"""


@pytest.mark.parametrize("engine", ["shell", "chrome"])
def test_a_page_is_denied_every_permission_and_told_so_at_once(
    warm: Callable[[str], Browser], shop: Shop, engine: str
) -> None:
    with warm(engine).context() as page:
        page.open(f"{shop.address}/hello")
        assert page.run(ASK, None, timeout_s=30) == [["denied"], "denied", 1]


def test_a_host_that_may_not_be_reached_starts_no_browser(settings_for: Callable[..., Any], profile: Profile) -> None:
    with pytest.raises(TaskError) as refused:
        Browser(settings_for(), profile)
    assert refused.value.code is Code.ADDRESS_REFUSED


def named(shop: Shop, **changes: Any) -> tuple[Profile, tuple[str, int]]:
    """The shop under a name, and the host and port of that."""
    target = ("shop.example", shop.port)
    entry = f"shop.example:{shop.port}"
    return shop.profile(base_url=f"http://{entry}/", allowed_hosts=[entry], **changes), target


def test_a_name_that_turns_private_after_its_profile_was_saved_starts_no_browser(
    settings_for: Callable[..., Any], shop: Shop
) -> None:
    profile, _ = named(shop)
    before = len(shop.requests)
    for address in (
        "127.0.0.1",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "::1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ):
        with pytest.raises(TaskError) as refused:
            Browser(settings_for(shop), profile, lookup=lambda *_, found=address: [found])
        assert refused.value.code is Code.ADDRESS_REFUSED
    assert shop.paths[before:] == []


def test_a_name_that_changes_while_its_browser_runs_changes_nothing_for_it(
    settings_for: Callable[..., Any], shop: Shop
) -> None:
    profile, target = named(shop)
    asked: list[str] = []

    def lookup(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    settings = replace(settings_for(), private_targets=frozenset({target}))
    browser = Browser(settings, profile, lookup=lookup)
    try:
        for _ in range(2):
            with browser.context() as page:
                page.open(f"http://shop.example:{shop.port}/hello")
                assert page.status == 200
    finally:
        browser.close()
    assert asked == ["shop.example"]


@pytest.mark.parametrize("engine", ["shell", "chrome"])
def test_a_certificate_that_nobody_vouches_for_and_a_shop_without_tls_are_tls_errors(
    settings_for: Callable[..., Any], shop: Shop, tmp_path: Path, engine: str
) -> None:
    secure = Shop(tls=certificate(tmp_path))
    try:
        for server in (secure, shop):
            address = f"127.0.0.1:{server.port}"
            profile = server.profile(base_url=f"https://{address}/", allowed_hosts=[address], engine=engine)
            browser = Browser(settings_for(server), profile)
            before = len(server.requests)
            try:
                with browser.context() as page, pytest.raises(TaskError) as refused:
                    page.open(f"https://{address}/p/GOOD000001")
            finally:
                browser.close()
            assert refused.value.code is Code.TLS_ERROR
            assert server.paths[before:] == []
    finally:
        secure.close()


def test_a_name_is_resolved_by_us_and_not_by_the_browser(settings_for: Callable[..., Any], shop: Shop) -> None:
    profile, target = named(shop)
    settings = settings_for()
    browser = Browser(replace(settings, private_targets=frozenset({target})), profile, lookup=lambda *_: ["127.0.0.1"])
    try:
        with browser.context() as page:
            page.open(f"http://shop.example:{shop.port}/hello")
            assert page.status == 200
    finally:
        browser.close()
