// The list of pages and actions that Control+K opens, and the help. Both are fetched when wanted.

const fetched = { dialogs: null };
for (const button of document.querySelectorAll("[data-opens]")) {
  button.hidden = false;
  button.addEventListener("click", () => open(button.dataset.opens));
}

async function dialogs() {
  if (fetched.dialogs === null) {
    const answer = await fetch(document.body.dataset.shortcuts, { redirect: "error" });
    if (!answer.ok) throw new Error("no shortcuts");
    document.body.insertAdjacentHTML("beforeend", await answer.text());
    fetched.dialogs = [...document.querySelectorAll("dialog.keys-box")];
    for (const one of fetched.dialogs) prepare(one);
  }
  return fetched.dialogs;
}

async function open(name) {
  try {
    const all = await dialogs();
    if (all.some((one) => one.open)) return;
    const dialog = all.find((one) => one.id === name);
    if (name === "palette") fill(dialog);
    dialog.showModal();
  } catch {
    // Signed out, or no connection: the page itself says so on the next click.
  }
}

function prepare(dialog) {
  // A press beside the box closes it, as Escape does.
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  if (dialog.id !== "palette") return;
  const input = dialog.querySelector("input");
  input.addEventListener("input", () => filter(dialog));
  input.addEventListener("keydown", (event) => steer(dialog, event));
  dialog.querySelector("[role=listbox]").addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option !== null) choose(dialog, option);
  });
}

// What may be done on this page is what its own buttons say.
function actions() {
  return [...document.querySelectorAll("main [data-act]")].filter((one) => one.checkVisibility());
}

function fill(dialog) {
  const list = dialog.querySelector("[role=listbox]");
  for (const old of list.querySelectorAll("[data-action]")) old.remove();
  const shown = actions().map((button, place) => {
    const option = document.createElement("li");
    const words = button.cloneNode(true);
    words.querySelectorAll("kbd, svg").forEach((part) => part.remove());
    option.setAttribute("role", "option");
    option.id = `act-${place}`;
    option.dataset.action = "";
    option.append(words.textContent.trim().replace(/\s+/g, " "));
    if (button.dataset.key) {
      const hint = document.createElement("kbd");
      hint.textContent = button.dataset.key;
      option.append(hint);
    }
    option.does = () => ("reach" in button.dataset ? button.focus() : button.click());
    return option;
  });
  list.prepend(...shown);
  dialog.querySelector("input").value = "";
  filter(dialog);
}

const found = (dialog) => [...dialog.querySelectorAll("[role=option]:not([hidden])")];

function filter(dialog) {
  const words = dialog.querySelector("input").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const option of dialog.querySelectorAll("[role=option]")) {
    const text = option.textContent.toLowerCase();
    option.hidden = !words.every((word) => text.includes(word));
  }
  const left = found(dialog);
  point(dialog, left[0]);
  dialog.querySelector("[role=status]").textContent =
    left.length === 0 ? "Nothing is called that" : `${left.length} to choose from`;
}

function point(dialog, option) {
  const input = dialog.querySelector("input");
  for (const one of dialog.querySelectorAll("[aria-selected=true]")) one.setAttribute("aria-selected", "false");
  if (option === undefined) {
    input.removeAttribute("aria-activedescendant");
    return;
  }
  option.setAttribute("aria-selected", "true");
  input.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
}

function steer(dialog, event) {
  const all = found(dialog);
  const here = all.findIndex((one) => one.getAttribute("aria-selected") === "true");
  if (event.isComposing || all.length === 0) return;
  if (event.key === "ArrowDown") point(dialog, all[(here + 1) % all.length]);
  else if (event.key === "ArrowUp") point(dialog, all[(here - 1 + all.length) % all.length]);
  else if (event.key === "Enter") choose(dialog, all[here]);
  else return;
  event.preventDefault();
}

function choose(dialog, option) {
  dialog.close();
  if (option.does) option.does();
  else location.assign(option.dataset.href);
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.altKey) return;
  if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.shiftKey) {
    event.preventDefault();
    open("palette");
    return;
  }
  if (event.ctrlKey || event.metaKey || document.body.dataset.keys === "off") return;
  if (event.target.closest("input, textarea, select, [contenteditable]") !== null) return;
  if (event.key === JSON.parse(document.body.dataset.keys).help) {
    event.preventDefault();
    open("help");
  }
});
