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
