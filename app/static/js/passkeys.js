// Forms with data-passkey="create|get": their button asks the browser for a passkey and sends what it answers.
// data-options is the address (POST) that says what to ask for. Where the browser knows no passkeys they stay hidden.

const GIVEN_UP = "No passkey was used. Try again when you are ready.";

if (window.PublicKeyCredential) {
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form);
    });
  }
}

async function send(form) {
  const button = form.querySelector("button:not([type=button])");
  button.disabled = true;
  say(form, "");
  try {
    const asked = await askFor(form);
    if (!asked) return;
    form.elements.challenge.value = asked.challenge;
    form.elements.credential.value = JSON.stringify(await answerTo(form.dataset.passkey, asked.options));
    const stay = document.querySelector("form:not([data-passkey]) input[name=stay]");
    if (stay && form.elements.stay) form.elements.stay.checked = stay.checked;
    form.submit();
  } catch (error) {
    say(form, wordsFor(error));
  } finally {
    button.disabled = false;
  }
}

async function askFor(form) {
  const headers = { "X-CSRFToken": form.elements.csrf_token.value, Accept: "application/json" };
  const answer = await fetch(form.dataset.options, { method: "POST", headers, credentials: "same-origin" });
  const body = await answer.json();
  if (answer.ok) return body;
  if (body.code === "FRESH_LOGIN_REQUIRED" || body.code === "SECOND_FACTOR_REQUIRED") {
    location.assign(`/confirm?next=${encodeURIComponent(location.pathname + location.search)}`);
    return null;
  }
  throw new Error(body.detail);
}

async function answerTo(kind, options) {
  const publicKey = { ...options, challenge: bytes(options.challenge) };
  if (publicKey.user) publicKey.user = { ...publicKey.user, id: bytes(publicKey.user.id) };
  for (const list of ["excludeCredentials", "allowCredentials"]) {
    if (publicKey[list]) publicKey[list] = publicKey[list].map((one) => ({ ...one, id: bytes(one.id) }));
  }
  const found = await navigator.credentials[kind]({ publicKey });
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (found.response[name]) response[name] = text(found.response[name]);
  }
  if (found.response.getTransports) response.transports = found.response.getTransports();
  return { id: found.id, rawId: text(found.rawId), type: found.type, response };
}

function wordsFor(error) {
  if (error.name === "NotAllowedError" || error.name === "AbortError") return GIVEN_UP;
  if (error.name === "InvalidStateError") return "This device has a passkey for you already.";
  if (error.name === "SecurityError") return "Passkeys work only at the address that this site is set up for.";
  return error.message;
}

function say(form, words) {
  const place = form.querySelector("[data-problem]");
  place.textContent = words;
  place.hidden = !words;
}

function bytes(base64url) {
  const plain = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

function text(buffer) {
  const plain = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
