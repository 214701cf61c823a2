// What the trials say so far: the verdict of each server mode, and the matrix of all cases.

import { counter, element, judgement, leak, mark, renew, svg } from "./elements.js";

const WIDTH = 260;
const HEIGHT = 18;
const FIRST_REASONS = 3;

export class Dashboard {
  constructor(article) {
    this.article = article;
    this.field = (name) => article.querySelector(`[data-field="${name}"]`);
    this.counts = new Map();
  }

  show(dashboard) {
    this.field("title").textContent = dashboard.title;
    this.field("basis").textContent = dashboard.trials ? dashboard.run_line : "No trial has ended yet.";
    this.field("answer").replaceChildren(...dashboard.answer.map((text) => element("p", { text })));
    renew(this.field("opinions"), dashboard.opinions.map((one) => opinion(one, dashboard)));
    this.showMatrix(dashboard);
    this.showFailures(dashboard);
  }

  // How many trials of each case are there, and which runs: known at once, before any analysis.

  showRecorded({ recorded, trial }) {
    for (const [index, { cell, text, bar, planned, replica }] of this.counts) {
      const running = Boolean(trial?.running && [index, replica].includes(trial.case));
      cell.classList.toggle("running", running);
      text.textContent = `${recorded[index]} of ${planned} trials${running ? ", running now" : ""}`;
      bar.setAttribute("width", String((recorded[index] / planned) * 100));
    }
  }

  showMatrix(dashboard) {
    const table = this.article.querySelector("table.matrix");
    const heads = dashboard.headings.map((one) => element("th", { scope: "col" }, mark(one), ` ${one.label}`));
    table.tHead.replaceChildren(element("tr", {}, element("th", { text: "Server mode", scope: "col" }), ...heads));
    this.counts.clear();
    table.tBodies[0].replaceChildren(...dashboard.rows.map((row) => this.row(row, dashboard.headings)));
  }

  row({ mode, cells }, headings) {
    const detail = element("span", { text: circumstances(mode), className: "detail" });
    const head = element("th", { text: mode.title, scope: "row" });
    head.append(detail);
    return element("tr", {}, head, ...cells.map((cell, i) => this.cell(cell, headings[i])));
  }

  cell(planned, heading) {
    if (!planned) return element("td", { text: "–", className: "void" });
    const { words } = planned;
    const look = words.leaks ? "leaking" : (words.judgement ?? "baseline");
    const made = element("td", { className: words.measured ? look : "void" });
    made.append(element("p", { className: "at" }, mark(heading), ` ${heading.label}`));
    if (words.measured) made.append(...figures(words));
    else made.append(element("p", { text: "no result yet", className: "throughput" }));
    made.append(this.count(planned, made));
    return made;
  }

  count({ case: index, planned, replica }, cell) {
    const { made, text, bar } = counter();
    this.counts.set(index, { cell, text, bar, planned, replica });
    return made;
  }

  showFailures(dashboard) {
    const { broken, failures, caveats } = dashboard;
    this.field("broken").replaceChildren(...brokenTrials(broken, dashboard.more_broken));
    this.field("failures").replaceChildren(...(failures.rows.length ? [table(failures)] : []));
    const box = this.field("caveats");
    box.hidden = caveats.length === 0;
    const count = caveats.length + dashboard.more_caveats;
    box.querySelector("summary").textContent = `${count} caveat${count === 1 ? "" : "s"}`;
    const more = dashboard.more_caveats ? [element("li", { text: `and ${dashboard.more_caveats} more, in the reports` })] : [];
    box.querySelector("ul").replaceChildren(...caveats.map((text) => element("li", { text })), ...more);
  }
}

const circumstances = ({ detail, shared }) => [detail, shared].filter(Boolean).join(", ");

function opinion(one, dashboard) {
  const name = element("h3", { text: one.mode.title });
  const detail = element("p", { text: circumstances(one.mode), className: "detail" });
  const setting = element("p", { text: one.setting, className: "recommendation" });
  if (one.decided && one.rest) setting.append(element("span", { text: one.rest }));
  return element(
    "article",
    { className: one.decided ? "card" : "card undecided" },
    element("header", {}, name, detail),
    setting,
    element("p", { text: one.headline, className: "headline" }),
    ...intervals(one, dashboard),
    reasons(one.why),
  );
}

function reasons(why) {
  const list = element("ul", { className: "why" }, ...why.map((text) => element("li", { text })));
  return element("details", { className: "more" }, element("summary", { text: "Why" }), list);
}

// Each strategy against the baseline, on a logarithmic axis: twice and half are equally far from 1.

function intervals({ lines, mode }, { headings, margin }) {
  const ends = lines.flatMap(({ ratio, low, high }) => [ratio, low, high]).filter((value) => value > 0);
  if (!ends.length) return [];
  const most = Math.max(1.25, ...ends.map((value) => Math.max(value, 1 / value))) * 1.05;
  const at = (ratio) => (WIDTH / 2) * (1 + Math.log(Math.min(most, Math.max(1 / most, ratio))) / Math.log(most));
  const label = `Ratio to CONN_MAX_AGE = 0 for ${mode.title}, with 95 % intervals`;
  const items = lines.map((line) => interval(line, headings[line.strategy], at, margin));
  return [element("ul", { className: "intervals", "aria-label": label }, ...items)];
}

function interval(line, heading, at, margin) {
  const name = element("span", { className: "strategy" }, mark(heading), ` ${heading.label}`);
  const words = element("span", { text: line.words, className: "words" });
  const badges = element("span", { className: "badges" });
  if (line.judgement && line.leak !== "yes") badges.append(judgement(line.judgement), " "); // a leak overrules it
  if (line.leak !== "no") badges.append(leak(line.leak));
  return element("li", {}, element("div", { className: "line" }, name, words), axis(line, heading, at, margin), badges);
}

function axis({ ratio, low, high }, heading, at, margin) {
  const middle = HEIGHT / 2;
  const [left, right] = [at(1 / (1 + margin)), at(1 + margin)];
  const parts = [
    svg("rect", { className: "margin", x: left, y: 0, width: right - left, height: HEIGHT }),
    svg("path", { className: "even", d: `M${WIDTH / 2} 0V${HEIGHT}` }),
  ];
  if (low !== null) {
    // A trial that served nothing may leave the interval without an upper end: it is drawn to the edge.
    const [from, to] = [at(low), high === null ? WIDTH : at(high)];
    const caps = `M${from} ${middle - 4}V${middle + 4}M${to} ${middle - 4}V${middle + 4}`;
    parts.push(svg("path", { className: "whisker", d: `M${from} ${middle}H${to}${caps}` }));
  }
  if (ratio > 0) {
    const shape = mark(heading);
    for (const [name, value] of Object.entries({ x: at(ratio) - 6, y: middle - 6, width: 12, height: 12 })) {
      shape.setAttribute(name, value);
    }
    parts.push(shape);
  }
  return svg("svg", { className: "interval", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" }, ...parts);
}

function figures({ median, ratio, opens, peak, leak: told, judgement: judged }) {
  const amount = element("p", { className: "throughput" }, element("b", { text: median }), " requests/s");
  const badges = element("p", { className: "badges" });
  // A leak overrules any ratio, and comes first.
  const leaking = told === "yes";
  if (judged && !leaking) badges.append(judgement(judged));
  if (told !== "no") badges.append(leak(told));
  const pair = (name, value) => element("div", {}, element("dt", { text: name }), element("dd", { text: value }));
  const facts = element("dl", {}, pair("opens per request", opens), pair("peak open", peak));
  const compared = element("p", { text: ratio, className: "ratio" });
  return leaking ? [badges, amount, compared, facts] : [amount, compared, badges, facts];
}

function brokenTrials(broken, more) {
  const items = broken.map(({ order, case: name, state, reason }) =>
    element("li", {}, element("b", { text: `Trial ${order} ${state}: ${name}` }), element("p", { text: reason })),
  );
  return more ? [element("li", { text: `${numbers.exact(more)} earlier ones, in the reports` }), ...items] : items;
}

function table({ caption, columns, rows }) {
  const head = element("tr", {}, ...columns.map(({ title, kind }) => element("th", { text: title, scope: "col", className: kind })));
  const body = rows.map((row) =>
    element("tr", {}, ...row.map((text, i) => element("td", { text, className: columns[i].kind }))),
  );
  const made = element("table", {}, element("caption", { text: caption }), element("thead", {}, head), element("tbody", {}, ...body));
  return element("div", { className: "scroll", role: "region", tabindex: "0", "aria-label": caption }, made);
}
