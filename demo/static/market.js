"use strict";

const wall = document.getElementById("cookie-wall");
document.getElementById("cookie-accept")?.addEventListener("click", () => {
  document.cookie = "consent=1; path=/; max-age=31536000; samesite=lax";
  wall.remove();
});

const form = document.getElementById("buy");
form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = document.getElementById("answer");
  const panel = document.createElement("p");
  answer.replaceChildren();
  try {
    const response = await fetch(form.action, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams(new FormData(form)),
    });
    const body = await response.json();
    if (response.ok) {
      panel.id = "added";
      panel.textContent = "Added to your cart. ";
      const link = document.createElement("a");
      link.href = document.querySelector(".cart-link").href;
      link.textContent = "See the cart";
      panel.append(link);
      document.getElementById("cart-count").textContent = body.count;
    } else {
      panel.id = "not-added";
      panel.textContent = body.message;
    }
  } catch {
    panel.id = "not-added";
    panel.textContent = "Our cart does not answer. Please try again.";
  }
  answer.append(panel);
});
