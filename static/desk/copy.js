// Copies an id. Where the browser does not let us, the buttons stay away: the id can be marked by hand.

const SAID_FOR = 2000;

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    return say(button, "Not copied: mark it and copy it yourself");
  }
  say(button, "Copied");
}

function say(button, words) {
  let said = button.nextElementSibling;
  if (said === null || !said.matches(".copied")) {
    said = document.createElement("span");
    said.className = "copied cap";
    said.setAttribute("role", "status");
    button.after(said);
  }
  said.textContent = words;
  setTimeout(() => { said.textContent = ""; }, SAID_FOR);
}

if (navigator.clipboard) {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
}
