// A scanner types a number much faster than a person and ends with Enter: wherever the reader is on
// the page, it goes into the box and is opened. Where the browser reads codes, the camera does too.

const box = document.querySelector("[data-scan]");
const input = box.querySelector("[name=q]");
const FAST = 45; // ms between two keys: no person types like that
const SHORTEST = 5; // fewer keys are commands after all
let held = [];
let timer = 0;

const inField = (target) =>
  target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]") !== null;

// What was held back is done after all, in its order.
function release() {
  clearTimeout(timer);
  const keys = held;
  held = [];
  for (const { key, shiftKey } of keys) {
    const target = document.activeElement ?? document.body;
    target.dispatchEvent(new KeyboardEvent("keydown", { key, shiftKey, bubbles: true, cancelable: true }));
  }
}

function isOver() {
  // A scanner that sends no Enter: its number waits in the box instead of being taken for commands.
  if (held.length < SHORTEST) return release();
  fill();
  input.focus();
}

function fill() {
  clearTimeout(timer);
  input.value = held.map((one) => one.key).join("");
  held = [];
}

// Before anybody else hears of the key.
addEventListener("keydown", (event) => {
  if (!event.isTrusted || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (document.querySelector("dialog[open]") !== null) return;
  if (event.key === "Enter" && held.length >= SHORTEST) {
    event.preventDefault();
    event.stopImmediatePropagation();
    fill();
    box.requestSubmit();
    return;
  }
  if (event.key === "Shift") return;
  if (event.key.length !== 1 || inField(event.target) || (event.key === " " && held.length === 0)) {
    release();
    return;
  }
  event.preventDefault();
  event.stopImmediatePropagation();
  held.push({ key: event.key, shiftKey: event.shiftKey });
  clearTimeout(timer);
  timer = setTimeout(isOver, FAST);
}, true);

// --- Camera ---

const button = box.querySelector("[data-camera]");
const dialog = document.querySelector("#camera");
const video = dialog.querySelector("video");
const says = dialog.querySelector("[role=status]");

async function look() {
  dialog.showModal();
  says.textContent = "";
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    says.textContent = "The camera cannot be used. Allow it for this page, or type the number.";
    return;
  }
  dialog.addEventListener("close", () => stream.getTracks().forEach((track) => track.stop()), { once: true });
  if (!dialog.open) return dialog.dispatchEvent(new Event("close")); // closed while it was asked
  video.srcObject = stream;
  await video.play();
  const found = await read(new BarcodeDetector());
  dialog.close();
  if (found === "") return;
  input.value = found;
  box.requestSubmit();
}

// The first code that is seen; nothing when the reader closes the picture before.
async function read(detector) {
  while (dialog.open) {
    const codes = await detector.detect(video).catch(() => []);
    if (codes.length > 0 && codes[0].rawValue) return codes[0].rawValue;
    await new Promise((next) => setTimeout(next, 150));
  }
  return "";
}

if ("BarcodeDetector" in window && navigator.mediaDevices?.getUserMedia) {
  button.hidden = false;
  button.addEventListener("click", look);
}
