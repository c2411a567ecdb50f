// Ticking lines by key, and how many are ticked. Without it the boxes and the form do the same.

const boxes = () => [...document.querySelectorAll('.q-pick input[name="line"]')];
const own = document.body.dataset.keys === "off" ? {} : JSON.parse(document.body.dataset.keys);
let last = -1;

function here(all) {
  const line = document.activeElement?.closest(".q-pick") ?? document.querySelector(".q-pick:has([aria-current])");
  return all.findIndex((box) => box.closest(".q-pick") === line);
}

function tell() {
  const ticked = boxes().filter((box) => box.checked).length;
  document.querySelector("[data-ticked]").textContent = ticked ? `(${ticked})` : "";
  if (ticked) document.querySelector('#many [value="lines"]').checked = true;
}

document.addEventListener("change", (event) => {
  if (!event.target.matches('.q-pick input[name="line"]')) return;
  last = boxes().indexOf(event.target);
  tell();
});

document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== own.choose) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select")) return;
  const all = boxes();
  const place = here(all);
  if (place < 0) return;
  event.preventDefault();
  if (event.shiftKey && last >= 0) {
    const [from, to] = [Math.min(last, place), Math.max(last, place)];
    all.slice(from, to + 1).forEach((box) => { box.checked = true; });
  } else {
    all[place].checked = !all[place].checked;
  }
  last = place;
  tell();
});

tell();
