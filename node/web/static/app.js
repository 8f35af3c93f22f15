// Keeps live parts up to date, and tells the server the visitor's time zone. Pages read without it.
"use strict";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) document.cookie = `zone=${zone}; path=/; max-age=31536000; samesite=lax`;

function take(event) {
  for (const [name, html] of Object.entries(JSON.parse(event.data))) {
    for (const part of document.querySelectorAll(`[data-live="${name}"]`)) {
      if (part.innerHTML !== html && !part.contains(document.activeElement)) part.innerHTML = html;
    }
  }
}

// A page that waits for something to become final asks again, until it no longer waits.
async function again() {
  const main = document.querySelector("main");
  if (!main.querySelector("[data-waits]")) return;
  try {
    const answer = await fetch(location.href, { headers: { "X-By-Itself": "1" } });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
    const is_same = fresh && fresh.innerHTML === main.innerHTML;
    if (answer.ok && !answer.redirected && fresh && !is_same) main.replaceChildren(...fresh.childNodes);
  } catch { /* the node or the network is away: try again */ }
  setTimeout(again, 1000);
}
again();

const source = document.querySelector("[data-source]");
if (source) {
  const events = new EventSource(source.dataset.source);
  events.addEventListener("message", take);
  window.addEventListener("pagehide", () => events.close());
}

for (const control of document.querySelectorAll("[data-submits]")) {
  control.addEventListener("change", () => control.form.requestSubmit());
}
