// Buttons with data-copy="id of an element" copy that element's text; hidden where the browser cannot.

const SHOWN_MS = 2000;

/** Show the copy buttons of a document and let them work. */
export function offerCopying(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
}

async function copy(button) {
  const label = button.querySelector("[data-label]") ?? button;
  const before = button.dataset.before ?? label.textContent;
  button.dataset.before = before;
  try {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
    label.textContent = "Copied";
  } catch {
    label.textContent = "Press Ctrl+C";
    getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
  }
  setTimeout(() => { label.textContent = before; }, SHOWN_MS);
}
