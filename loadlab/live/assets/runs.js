// The list of runs, kept up to date; two that are ticked can be shown side by side.

import { counter, element } from "./elements.js";

const EVERY = 2000; // milliseconds
const form = document.getElementById("beside");
const body = document.getElementById("runs");
const button = form.querySelector("button");
const chosen = new Set();
let shown = "";

function row(run) {
  const tick = element("input", { type: "checkbox", "aria-label": `Show ${run.name} beside another` });
  tick.checked = chosen.has(run.name);
  tick.addEventListener("change", () => choose(run.name, tick.checked));
  const link = element("a", { text: run.name, href: `/runs/${encodeURIComponent(run.name)}` });
  const known = run.state !== "unreadable";
  const what = `${run.modes} server mode${run.modes === 1 ? "" : "s"} × ${run.strategies} strateg${run.strategies === 1 ? "y" : "ies"}`;
  const began = new Date(run.started);
  return element(
    "tr",
    { "data-state": run.state },
    element("td", {}, tick),
    element("th", { scope: "row" }, link),
    element("td", {}, element("span", { text: run.state, className: "state" })),
    element("td", {}, ...(known ? [trials(run)] : [])),
    element("td", { text: Number.isNaN(began.valueOf()) ? run.started : began.toLocaleString() }),
    element("td", { text: known ? what : "" }),
  );
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
      if (text !== shown) show(text);
    } catch {
      // Its process is gone or busy: the list stays as it was, and is asked for again.
    }
  }
  setTimeout(refresh, EVERY);
}

function show(text) {
  shown = text;
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
