// Shows the page again while something on it is being read, unless somebody is typing or reading on.

const EVERY = 2000;

function isBusy() {
  const typing = document.activeElement?.closest("input:not([type=hidden]), textarea, select");
  const begun = [...document.querySelectorAll("main textarea, main input:not([type=hidden])")].some(
    (one) => one.value !== one.defaultValue || one.checked !== one.defaultChecked,
  );
  return Boolean(typing) || begun || document.hidden;
}

if (document.querySelector("[data-anew]")) {
  setInterval(() => { if (!isBusy()) location.reload(); }, EVERY);
}
