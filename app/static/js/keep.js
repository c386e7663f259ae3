// Ways to keep what is shown once: buttons with data-print print the page, those with data-save="id" save an element's
// text as the file that data-file names.

for (const button of document.querySelectorAll("button[data-print], button[data-save]")) button.hidden = false;

for (const button of document.querySelectorAll("button[data-print]")) {
  button.addEventListener("click", () => print());
}

for (const button of document.querySelectorAll("button[data-save]")) {
  button.addEventListener("click", () => {
    const words = document.getElementById(button.dataset.save).textContent.trim() + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([words], { type: "text/plain" }));
    link.download = button.dataset.file;
    link.click();
    URL.revokeObjectURL(link.href);
  });
}
