// Keys for what the page already offers as links and buttons. They add speed, nothing else.

// Command → this person's key; nothing where they switched single keys off.
const own = document.body.dataset.keys === "off" ? {} : JSON.parse(document.body.dataset.keys ?? "{}");
const PAIR_MS = 1500;
let going = 0;

const typing = (target) =>
  target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]") !== null;

function rows() {
  return [...document.querySelectorAll(".q-row")];
}

function step(by) {
  const all = rows();
  if (all.length === 0) return;
  const focused = all.indexOf(document.activeElement);
  const current = all.findIndex((row) => row.hasAttribute("aria-current"));
  const from = focused >= 0 ? focused : current;
  const next = Math.min(Math.max(from + by, 0), all.length - 1);
  all[next].focus();
}

function press(key) {
  const button = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (button === null) return false;
  // What cannot be taken back is reached by its key, and done by Enter.
  if ("reach" in button.dataset) button.focus();
  else button.click();
  return true;
}

// The second of a pair: the page it names, or nothing at all.
function arrive(letter) {
  going = 0;
  document.querySelector(`[data-go="${CSS.escape(letter)}"]`)?.click();
  return true;
}

function single(event) {
  if (event.key === "Shift") return false;
  if (Date.now() - going < PAIR_MS) return arrive(event.key.toLowerCase());
  if (event.key === own.go) {
    going = Date.now();
    return true;
  }
  if (event.key === own.down) step(1);
  else if (event.key === own.up) step(-1);
  else return press(event.key);
  return true;
}

// From any field of an opened form, its one button: a line of text or a list takes Enter itself.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const form = event.target.closest("form.preview");
  if (form === null) return;
  event.preventDefault();
  form.requestSubmit(form.querySelector("[type=submit]"));
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (document.querySelector("dialog[open]") !== null) return;
  if (event.key === "Escape") {
    going = 0;
    if (press("Escape")) event.preventDefault();
    return;
  }
  if (typing(event.target)) return;
  if (single(event)) event.preventDefault();
});

// After a form came back with something to change, the reader starts at the list of it.
document.querySelector("#errors, #conflict")?.focus();
