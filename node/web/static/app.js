// Keeps live parts up to date, and tells the server the visitor's time zone. Pages read without it.
"use strict";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) document.cookie = `zone=${zone}; path=/; max-age=31536000; samesite=lax`;

function take(event) {
  const { parts, changed } = JSON.parse(event.data);
  for (const [name, html] of Object.entries(parts)) {
    for (const part of document.querySelectorAll(`[data-live="${name}"]`)) {
      if (part.innerHTML !== html && !part.contains(document.activeElement)) part.innerHTML = html;
    }
  }
  const part = document.querySelector("[data-follows]");
  if (!part || is_filled(part)) return;
  const latest = Math.max(...part.dataset.follows.split(" ").map((name) => changed[name] ?? 0));
  if (String(latest) !== part.dataset.seen) follow(part);
}

// What somebody is filling in stays.
function is_filled(part) {
  const focused = document.activeElement;
  return (part.contains(focused) && focused.matches("input, select, textarea"))
    || [...part.querySelectorAll("input, textarea")].some((each) => /^(checkbox|radio)$/.test(each.type)
      ? each.checked !== each.defaultChecked : each.value !== each.defaultValue);
}

async function fetched(selector) {
  const answer = await fetch(location.href, { headers: { "X-By-Itself": "1" } });
  if (!answer.ok || answer.redirected) return null;
  return new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(selector);
}

// A part that follows contracts is asked for again when one has announced something; the focus stays.
let following = false;
async function follow(part) {
  if (following) return;
  following = true;
  try {
    const fresh = await fetched("[data-follows]");
    if (fresh) {
      const focused = part.contains(document.activeElement) && document.activeElement.getAttribute("href");
      part.replaceWith(fresh);
      if (focused) fresh.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
    }
  } catch { /* the node or the network is away: the next block tries again */ }
  following = false;
}

// Once its session has ended, a page would show what was: it gives way to the one to log in at,
// unless somebody is filling it in.
async function leave() {
  const answer = await fetch(location.href, { headers: { "X-By-Itself": "1" } }).catch(() => null);
  if (answer?.redirected && !is_filled(document.querySelector("main"))) location.assign(answer.url);
}

// A page that waits for something to become final asks again, until it no longer waits. What came is
// kept as it came: `arrange` changes what stands in the page.
let came = document.querySelector("main").innerHTML;
async function again() {
  const main = document.querySelector("main");
  if (!main.querySelector("[data-waits]")) return;
  try {
    const fresh = await fetched("main"), html = fresh?.innerHTML;
    if (fresh && html !== came && !is_filled(main)) {
      main.replaceChildren(...fresh.childNodes);
      came = html;
    }
  } catch { /* the node or the network is away: try again */ }
  setTimeout(again, 1000);
}
again();

const source = document.querySelector("[data-source]");
if (source) {
  const events = new EventSource(source.dataset.source);
  events.addEventListener("message", take);
  events.addEventListener("error", () => events.readyState === EventSource.CLOSED && leave());
  window.addEventListener("pagehide", () => events.close());
}

for (const control of document.querySelectorAll("[data-submits]")) {
  control.addEventListener("change", () => control.form.requestSubmit());
}

// A form that says beforehand what would come of it: asked again with every change.
for (const form of document.querySelectorAll("[data-previews]")) {
  // By attributes: a field may be called what a form's property is.
  const to = form.getAttribute("action"), part = form.getAttribute("data-previews");
  let number = 0;
  form.addEventListener("change", async (event) => {
    const place = document.getElementById(part);
    if (place.contains(event.target) || !form.checkValidity()) return;
    const mine = ++number;
    const body = new URLSearchParams(new FormData(form));
    body.set("decision", "preview");
    const answer = await fetch(to, { method: "POST", body }).catch(() => null);
    const text = answer ? await answer.text() : "";
    const fresh = new DOMParser().parseFromString(text, "text/html").getElementById(part);
    if (fresh && mine === number) place.replaceChildren(...fresh.childNodes);
  });
}

// On narrow screens a table that does not fit stands row by row, each value under its column's name.
const narrow = matchMedia("(max-width: 600px)");
function arrange() {
  for (const place of document.querySelectorAll(".scroll")) {
    const table = place.querySelector("table:not(.records, .sample)");
    table?.classList.remove("stacked");
    let is_wider = place.scrollWidth > place.clientWidth;
    if (is_wider && narrow.matches && table?.tHead) {
      const names = [...table.tHead.rows[0].cells].map((head) => head.textContent.trim());
      for (const row of table.tBodies[0].rows) {
        [...row.cells].forEach((cell, i) => { if (cell.colSpan === 1) cell.dataset.name = names[i]; });
      }
      table.classList.add("stacked");
      is_wider = false;
    }
    place.classList.toggle("more", is_wider);
  }
}
arrange();
addEventListener("resize", arrange);
new MutationObserver(arrange).observe(document.querySelector("main"), { childList: true, subtree: true });

// A file that is dropped anywhere on a page that checks files.
for (const form of document.querySelectorAll("[data-drop]")) {
  const input = form.querySelector('input[type="file"]');
  const over = (on) => form.classList.toggle("over", on);
  document.addEventListener("dragover", (event) => { event.preventDefault(); over(true); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) over(false); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    form.requestSubmit();
  });
}
