// The page is complete without this. It keeps an open page up to date: once a minute, only while
// it is visible and nobody is using its controls, it asks for itself again.
"use strict";

const EVERY = 60_000; // milliseconds
const PARTS = ["status", "pickers", "report"]; // the ids of what changes with the data
let paused = false;

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
  here.replaceWith(there);
}

function showLate() {
  const note = document.createElement("strong");
  note.className = "late";
  note.textContent = "Not refreshed since; trying again. ";
  const status = document.getElementById("status");
  if (!status.querySelector(".late")) status.prepend(note);
}

async function refresh() {
  if (paused || document.hidden || inUse()) return;
  try {
    const answer = await fetch(location.href);
    if (answer.status === 401) return location.reload(); // the session has ended: show the login
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (paused || inUse()) return;
    document.title = fresh.title;
    PARTS.forEach((id) => replace(id, fresh));
  } catch {
    showLate(); // the figures on the screen stay; they say as of when they are
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
