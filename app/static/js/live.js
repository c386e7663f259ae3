// Parts of a page with data-live are kept as the server has them now. A part in which somebody is at work (a question is
// open, a button has the focus) is left alone. Without scripts the page says itself when it is read again.

const EVERY_MS = 5000;
const QUIET_MS = 30 * 60 * 1000;

/** Ask for the document's page again and again for as long as it has parts with data-live, is looked at and somebody is there. */
export function keepLive(root) {
  if (!root.querySelector("[data-live]")) return;
  let touchedAt = Date.now();
  for (const name of ["pointermove", "pointerdown", "keydown", "scroll"]) {
    addEventListener(name, () => { touchedAt = Date.now(); }, { passive: true });
  }
  const turn = async () => {
    // Who has left must not stay logged in because a page asks in their place.
    const isWatched = !root.hidden && Date.now() - touchedAt < QUIET_MS;
    if (isWatched && !(await refresh(root))) return;
    if (root.querySelector("[data-live]")) setTimeout(turn, EVERY_MS);
  };
  setTimeout(turn, EVERY_MS);
}

/** Bring the live parts up to date; false where there is no sense in asking again. */
async function refresh(root) {
  let answer;
  try {
    answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual", cache: "no-store" });
  } catch {
    return true;
  }
  if (!answer.ok) return answer.status >= 500;
  const now = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of root.querySelectorAll("[data-live]")) {
    const next = now.getElementById(part.id);
    const isInUse = part.contains(root.activeElement) || part.querySelector("details[open], form[data-sent]");
    if (next && !isInUse && next.outerHTML !== part.outerHTML) part.replaceWith(root.adoptNode(next));
  }
  return true;
}
