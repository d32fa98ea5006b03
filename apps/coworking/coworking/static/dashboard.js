// The page is complete without this. It keeps an open page up to date: once a minute, only while
// it is visible and nobody is using its controls, it asks for itself again.
"use strict";

const EVERY = 60_000; // milliseconds
const PARTS = ["status", "pickers", "report"]; // the ids of what changes with the data
let paused = false;

// Whether a field says something else than the page was made with.
function edited() {
  return [...document.querySelectorAll("#pickers input, #pickers select")].some((each) =>
    each.options
      ? [...each.options].some((option) => option.selected !== option.defaultSelected)
      : each.type === "date" && each.value !== each.defaultValue,
  );
}

function inUse() {
  const focused = document.activeElement;
  return Boolean(focused?.closest("#pickers, #report")) && focused.id !== "report";
}

function replace(id, fresh) {
  const here = document.getElementById(id);
  const there = fresh.getElementById(id);
  if (!here || !there || here.outerHTML === there.outerHTML) return;
  const open = [...here.querySelectorAll("details")].map((each) => each.open);
  there.querySelectorAll("details").forEach((each, number) => (each.open = open[number] ?? false));
  const more = here.querySelector("#more");
  if (more) there.querySelector("#more").checked = more.checked;
  here.replaceWith(there);
}

// The figures on the screen stay; the note says why, and the next refresh takes it away.
function say(text) {
  const status = document.getElementById("status");
  const note = status.querySelector(".late") ?? document.createElement("strong");
  note.className = "late";
  note.textContent = text;
  status.prepend(note);
}

async function refresh() {
  if (paused || document.hidden) return;
  if (edited()) return say("Refresh waits: press Show for what you have changed. ");
  if (inUse()) return say("Refresh waits while you are in the page. ");
  try {
    const answer = await fetch(location.href);
    if (answer.status === 401) return location.reload(); // the session has ended: show the login
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (paused || edited() || inUse()) return;
    document.title = fresh.title;
    PARTS.forEach((id) => replace(id, fresh));
  } catch {
    say("Not refreshed since; trying again. ");
  }
}

// The values of a chart's marks: shown below it for a mouse, a keyboard and a finger. A finger's
// first tap shows the value, its second opens what the mark stands for.
let tapped = null;
let pointer = "mouse";

function showValue(mark, hint = "") {
  const readout = mark.closest("figure").querySelector(".readout");
  readout.textContent = mark.getAttribute("aria-label") + hint;
  readout.hidden = false;
}

function markOf(event) {
  return event.target.closest?.(".plot a");
}

function move(event) {
  const here = markOf(event);
  const row = here?.closest(".heat") ? 24 : 1;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row, ArrowDown: row, Home: -9999, End: 9999 };
  if (!here || !(event.key in steps)) return;
  event.preventDefault();
  const marks = [...here.closest(".plot").querySelectorAll("a")];
  const wanted = marks.indexOf(here) + steps[event.key];
  const next = marks[Math.min(marks.length - 1, Math.max(0, wanted))];
  here.setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  next.focus();
}

function open(event) {
  const mark = markOf(event);
  if (mark && pointer === "touch" && tapped !== mark) {
    event.preventDefault();
    tapped = mark;
    return showValue(mark, " – tap again to open it");
  }
  const link = event.target.closest?.(".charts a[href^='/?'], #hour a[href^='/?']");
  if (link) keepEdits(link);
}

// A link of a chart leads to other dates; what else was changed in the form goes along.
function keepEdits(link) {
  const address = new URL(link.getAttribute("href"), location.href);
  for (const name of ["tz", "by", "compare"]) {
    const field = document.getElementById(name);
    const edited = field && [...field.options].some((each) => each.selected !== each.defaultSelected);
    if (edited) address.searchParams.set(name, field.value);
  }
  link.setAttribute("href", address.pathname + address.search + address.hash);
}

document.addEventListener("pointerdown", (event) => (pointer = event.pointerType));
document.addEventListener("pointerover", (event) => markOf(event) && showValue(markOf(event)));
document.addEventListener("focusin", (event) => markOf(event) && showValue(markOf(event)));
document.addEventListener("keydown", move);
document.addEventListener("click", open);

function addPause() {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "pause";
  button.textContent = "Pause refresh";
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Refresh every minute" : "Pause refresh";
  });
  document.getElementById("status").after(button);
}

if (document.body.dataset.refresh) {
  addPause();
  setInterval(refresh, EVERY);
  document.addEventListener("visibilitychange", refresh);
}
