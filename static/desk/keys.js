// Keys for what the page already offers as links and buttons. They add speed, nothing else.

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

// From any field of an opened form, its one button: a line of text or a list takes Enter itself.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const form = event.target.closest("form.preview");
  if (form === null) return;
  event.preventDefault();
  form.requestSubmit(form.querySelector("[type=submit]"));
});

document.addEventListener("keydown", (event) => {
  if (document.body.dataset.keys === "off") return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key !== "Escape" && typing(event.target)) return;
  if (event.key === "/") {
    document.getElementById("find")?.focus();
  } else if (event.key === "j") {
    step(1);
  } else if (event.key === "k") {
    step(-1);
  } else {
    const button = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (button === null) return;
    // What cannot be taken back is reached by its key, and done by Enter.
    if ("reach" in button.dataset) button.focus();
    else button.click();
  }
  event.preventDefault();
});

// After a form came back with something to change, the reader starts at the list of it.
document.querySelector("#errors, #conflict")?.focus();
