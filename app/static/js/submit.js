// A form that is on its way is not sent a second time by a second click.

/** Let every POST form of a document be sent once, but those with data-repeats, which answer with a file; coming back with the browser's Back button opens it again. */
export function keepSubmitsSingle(root) {
  root.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented || "repeats" in form.dataset) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const form of root.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });
}
