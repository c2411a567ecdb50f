// Says while a case is open that somebody has it open, and shows who else has and what is new.

const EVERY = 15_000;
const place = document.querySelector("[data-here]");
let timer = 0;

function said(more = {}) {
  const form = new FormData();
  form.set("csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]").value);
  form.set("version", place.dataset.version);
  for (const [name, value] of Object.entries(more)) form.set(name, value);
  return form;
}

async function beat() {
  // A page behind another one is not looked at: after a while nobody is taken to be there.
  if (document.hidden) return;
  let answer;
  try {
    answer = await fetch(place.dataset.here, { method: "POST", body: said(), redirect: "error" });
  } catch {
    return; // No connection: the next one tells.
  }
  if (answer.status !== 200) {
    clearInterval(timer);
    return;
  }
  const words = (await answer.text()).trim();
  // Only what is different is read out anew.
  if (words !== place.dataset.words) place.innerHTML = words;
  place.dataset.words = words;
}

timer = setInterval(beat, EVERY);
beat();
document.addEventListener("visibilitychange", beat);
addEventListener("pageshow", (event) => { if (event.persisted) beat(); });
addEventListener("pagehide", () => navigator.sendBeacon(place.dataset.here, said({ leaves: "1" })));
