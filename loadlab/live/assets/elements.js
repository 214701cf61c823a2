// Makes elements of text and never of HTML: names may hold anything.

export function element(tag, { text, className, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  return dressed(made, className, attributes, children);
}

export function svg(tag, { className, ...attributes } = {}, ...children) {
  return dressed(document.createElementNS("http://www.w3.org/2000/svg", tag), className, attributes, children);
}

function dressed(made, className, attributes, children) {
  if (className) made.setAttribute("class", className);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// What was opened stays open, and what has the focus keeps it, when a part of the page is made anew.

export function renew(place, nodes) {
  const opened = [...place.querySelectorAll("details")].map((one) => one.open);
  const focused = [...place.querySelectorAll("summary")].indexOf(document.activeElement);
  place.replaceChildren(...nodes);
  [...place.querySelectorAll("details")].forEach((one, i) => (one.open = opened[i] ?? one.open));
  place.querySelectorAll("summary")[focused]?.focus();
}

// "less than a minute", "about 3 minutes", "about 1 h 20 min"

export function roughly(seconds) {
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return "less than a minute";
  if (minutes < 60) return `about ${minutes} minute${minutes === 1 ? "" : "s"}`;
  return `about ${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// The shape of a strategy, so that colour alone never tells one from another.

export function mark({ tone, shade, mark: corners }) {
  const shapes = {
    zero: () => svg("circle", { cx: 6, cy: 6, r: 5 }),
    finite: () => svg("rect", { x: 1.4, y: 1.4, width: 9.2, height: 9.2 }),
    unlimited: () => svg("path", { d: "M6 .6 11.6 10.8H.4z" }),
    other: () => svg("polygon", { points: corners.map(([x, y]) => `${x + 6},${y + 6}`).join(" ") }),
  };
  const className = `tone ${tone} shade-${shade}`;
  return svg("svg", { className, viewBox: "0 0 12 12", width: 11, height: 11, "aria-hidden": "true" }, shapes[tone]());
}

const SIGNS = { better: "▲", worse: "▼", equivalent: "≈", inconclusive: "?" };

export function judgement(word) {
  const sign = element("span", { text: SIGNS[word], "aria-hidden": "true" });
  return element("span", { className: `judgement ${word}` }, sign, ` ${word}`);
}

// Nothing where there is none; "cannot tell" where too few connections were opened to show one.
export function leak(told) {
  if (told === "no") return "";
  if (told !== "yes") return element("span", { className: "judgement inconclusive", text: "leak: cannot tell" });
  const shape = [svg("path", { d: "M8 1.5 15.2 14H.8z" }), svg("path", { className: "mark", d: "M8 6v4M8 11.6v1.1" })];
  const sign = svg("svg", { viewBox: "0 0 16 16", width: 13, height: 13, "aria-hidden": "true" }, ...shape);
  return element("span", { className: "leak" }, sign, "LEAK");
}

// A count in words over a bar; the bar's width is a share of 100.

export function counter() {
  const text = element("span");
  const bar = svg("rect", { className: "done", width: 0, height: 3 });
  const all = svg("rect", { className: "all", width: 100, height: 3 });
  const shape = svg("svg", { viewBox: "0 0 100 3", preserveAspectRatio: "none", "aria-hidden": "true" }, all, bar);
  return { made: element("div", { className: "count" }, text, shape), text, bar };
}
