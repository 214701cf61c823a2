// The list of runs, kept up to date; two that are ticked can be shown side by side.

import { counter, element } from "./elements.js";

const EVERY = 2000; // milliseconds
const MINUTE = 60_000; // after which "ago" has changed
const form = document.getElementById("beside");
const body = document.getElementById("runs");
const button = form.querySelector("button");
const chosen = new Set();
let shown = "";
let shownAt = 0;

function row(run) {
  const tick = element("input", { type: "checkbox", "aria-label": `Show ${run.name} beside another` });
  tick.checked = chosen.has(run.name);
  tick.addEventListener("change", () => choose(run.name, tick.checked));
  const link = element("a", { text: run.name, href: `/runs/${encodeURIComponent(run.name)}` });
  const known = run.state !== "unreadable";
  const what = `${run.modes} server mode${run.modes === 1 ? "" : "s"} × ${run.strategies} strateg${run.strategies === 1 ? "y" : "ies"}`;
  const command = run.resume ? element("code", { text: run.resume, className: "resume" }) : "";
  return element(
    "tr",
    { "data-state": run.state },
    element("td", {}, tick),
    element("th", { scope: "row" }, link),
    element("td", {}, element("span", { text: run.state, className: "state" }), ...(run.reason ? [" ", run.reason] : []), command),
    element("td", {}, ...(known ? [trials(run)] : [])),
    element("td", {}, ...began(run.started)),
    element("td", { text: run.answer }),
    element("td", { text: known ? what : "" }),
  );
}

// The day and time here, as ISO 8601 writes them, and how long ago that is.

const UNITS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

function began(started) {
  const at = new Date(started);
  if (Number.isNaN(at.valueOf())) return [started];
  const local = new Date(at.valueOf() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16).replace("T", " ");
  const seconds = (at.valueOf() - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, each]) => Math.abs(seconds) >= each) ?? ["second", 1];
  return [element("time", { text: local, datetime: started }), ` (${relative.format(Math.round(seconds / size), unit)})`];
}

function trials({ done, total }) {
  const { made, text, bar } = counter();
  text.textContent = `${done} of ${total}`;
  bar.setAttribute("width", String(total ? (done / total) * 100 : 0));
  return made;
}

function choose(name, wanted) {
  if (wanted) chosen.add(name);
  else chosen.delete(name);
  button.disabled = chosen.size !== 2;
}

// Made anew only when something has changed, and then without taking the focus away.

async function refresh() {
  if (!document.hidden) {
    try {
      const text = await (await fetch("/runs.json")).text();
      if (text !== shown || Date.now() - shownAt > MINUTE) show(text);
    } catch {
      // Its process is gone or busy: the list stays as it was, and is asked for again.
    }
  }
  setTimeout(refresh, EVERY);
}

function show(text) {
  shown = text;
  shownAt = Date.now();
  const runs = JSON.parse(text);
  const focusable = () => [...body.querySelectorAll("a, input")];
  const focused = focusable().indexOf(document.activeElement);
  body.replaceChildren(...runs.map(row));
  focusable()[focused]?.focus();
  document.getElementById("nothing").hidden = runs.length > 0;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  location.assign(`/beside/${[...chosen].map(encodeURIComponent).join("/")}`);
});
refresh();
