// The charts of a run: of its current trial, or of all of it.

import { element } from "./elements.js";

const LATEST_ROWS = 12;
const FEW_MARKS = 4; // of faults; more are drawn without the word
const percent = (value) => (value === null ? null : value * 100);
const milliseconds = (value) => (value === null ? null : value * 1000);
const REASONS = ["request_end", "max_age", "unusable", "health_check", "autocommit", "explicit", "garbage_collected", "process_exit", "pool"];

// What each chart draws: a column, its name, its colour, and how: a line, dashed or not, or an area on those before it.
// An optional one is there only if it has ever been more than nothing.
const PLOTS = {
  requests: [
    { column: "requests", name: "requests", colour: "finite", fill: true },
    { column: "failures", name: "failed", colour: "leak", dash: "dashed", optional: true },
  ],
  response: [
    { column: "p50", name: "p50", colour: "finite", of: milliseconds },
    { column: "p99", name: "p99", colour: "unlimited", dash: "dashed", of: milliseconds },
  ],
  connections: [
    { column: "backends_active", name: "active", colour: "finite", stack: true },
    { column: "backends_idle", name: "idle", colour: "other-5", stack: true },
    { column: "backends_idle_in_transaction", name: "idle in transaction", colour: "other-1", stack: true, optional: true },
    { column: "backends_other", name: "other", colour: "zero", stack: true, optional: true },
    { column: "open", name: "our own count", colour: "ink", dash: "dotted" },
  ],
  holders: [
    { column: "open_leaked", name: "leaked", colour: "leak", stack: true },
    { column: "open_outside", name: "outside any request", colour: "other-1", stack: true, optional: true },
    { column: "open_in_use", name: "in use", colour: "finite", stack: true },
    { column: "open_idle", name: "idle", colour: "other-5", stack: true },
    { column: "open_pool_idle", name: "idle in a pool", colour: "other-0", stack: true, optional: true },
    { column: "open_unknown", name: "not known", colour: "zero", stack: true, optional: true },
  ],
  opened: [
    { column: "opened", name: "opened/s", colour: "unlimited", fill: true },
    { column: "reuse", name: "reused, %", colour: "better", dash: "dashed", of: percent, right: true },
  ],
  closed: REASONS.map((reason, i) => ({
    column: `closed_${reason}`,
    name: reason.replaceAll("_", " "),
    colour: ["finite", "unlimited", "leak", "other-2", "other-3", "zero", "other-1", "other-6", "other-0"][i],
    dash: ["solid", "dashed", "dotted"][i % 3],
    stack: true,
    optional: true,
  })),
  cpu: [
    { column: "cpu_app", name: "app", colour: "cpu-app", stack: true },
    { column: "cpu_database", name: "database", colour: "cpu-database", stack: true },
    { column: "cpu_generator", name: "generator", colour: "cpu-generator", stack: true },
    { column: "cpu_pooler", name: "pooler", colour: "other-2", stack: true, optional: true },
    { column: "cpu_proxy", name: "proxy", colour: "zero", stack: true, optional: true },
  ],
  pooler: [
    { column: "pooler_clients", name: "clients", colour: "finite", optional: true },
    { column: "pooler_servers", name: "servers", colour: "other-0", dash: "dashed", optional: true },
    { column: "pooler_clients_waiting", name: "waiting", colour: "leak", dash: "dotted", optional: true },
  ],
};

// A quantity of a probe that has no chart above gets its own.

const plotted = (figure) =>
  PLOTS[figure.dataset.plot] ?? [{ column: figure.dataset.plot, name: "now", colour: "finite" }];

export class Plots {
  constructor(section) {
    this.lines = { trial: empty(), run: empty() };
    this.shown = "trial";
    this.usable = null;
    this.plots = [...section.querySelectorAll("[data-plot]")].map((figure) => new Plot(figure, plotted(figure)));
    this.buttons = [...section.querySelectorAll("[data-line]")];
    for (const button of this.buttons) button.addEventListener("click", () => this.choose(button.dataset.line));
    for (const plot of this.plots) plot.table.addEventListener("toggle", () => this.draw());
    this.watch();
  }

  choose(line) {
    this.shown = line;
    for (const button of this.buttons) button.setAttribute("aria-pressed", String(button.dataset.line === line));
    this.fade(false);
    this.draw();
  }

  // Rows from `start` on take the place of those that were there.

  take({ of, line, start, seconds, columns, rows, marks }) {
    const known = this.lines[of];
    const kept = known.line === line ? known.rows.slice(0, start) : [];
    this.lines[of] = { line, seconds, columns, rows: kept.concat(rows), marks };
    if (of === this.shown) this.draw();
  }

  // The order of the trial that was seen last.

  trial() {
    const { rows, columns } = this.lines.trial;
    return rows.at(-1)?.[columns.indexOf("trial")];
  }

  fade(earlier) {
    for (const plot of this.plots) plot.figure.classList.toggle("earlier", earlier && this.shown === "trial");
  }

  // The connections that the current trial's mode can use at once.

  limit(usable) {
    if (usable === this.usable) return;
    this.usable = usable;
    this.draw();
  }

  draw() {
    this.wanted ??= requestAnimationFrame(() => {
      this.wanted = undefined;
      const line = this.lines[this.shown];
      const limit = this.shown === "trial" ? this.usable : null;
      for (const plot of this.plots) plot.draw(line, limit);
    });
  }

  watch() {
    const near = new IntersectionObserver(
      (entries) => {
        for (const entry of entries) this.plots.find((plot) => plot.figure === entry.target).near = entry.isIntersecting;
        this.draw();
      },
      { rootMargin: "300px" },
    );
    for (const plot of this.plots) near.observe(plot.figure);
    new ResizeObserver(() => {
      for (const plot of this.plots) plot.resize();
    }).observe(this.plots[0].figure);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const plot of this.plots) plot.look = undefined;
      this.draw();
    });
  }
}

const empty = () => ({ line: "", seconds: 0.5, columns: [], rows: [], marks: [] });

class Plot {
  constructor(figure, series) {
    Object.assign(this, { figure, series, near: false, look: undefined, chart: undefined });
    this.canvas = figure.querySelector(".canvas");
    this.table = figure.querySelector("details");
  }

  resize() {
    this.chart?.resize();
  }

  draw(line, limit) {
    const there = this.series.filter((one) => !one.optional || line.rows.some((row) => row[line.columns.indexOf(one.column)] > 0));
    this.figure.hidden = there.length === 0 && this.figure.dataset.plot === "pooler";
    if (!this.near || this.figure.hidden) return;
    this.tell(there, line);
    if (this.table.open) this.tabulate(there, line);
    this.chart ??= echarts.init(this.canvas);
    const data = there.map((one) => points(one, line));
    const few = line.rows.length < 2;
    const usable = this.figure.dataset.plot === "connections" && limit;
    const marks = marked(line);
    const look = JSON.stringify([there.map((one) => one.name), few, usable, marks]);
    if (look === this.look) {
      this.chart.setOption({ series: data.map((each) => ({ data: each })) });
    } else {
      this.look = look;
      this.chart.setOption(this.option(there, data, usable, marks), { notMerge: true });
    }
  }

  // The latest figures in words: they say what the colours do.

  tell(there, { columns, rows, marks }) {
    const latest = rows.findLast((row) => there.some((one) => row[columns.indexOf(one.column)] !== null));
    const parts = there.map((one) => {
      const value = latest ? valueOf(one, columns, latest) : null;
      return element("span", { className: "value" }, swatch(one), element("b", { text: numbers.exact(value) }), ` ${one.name}`);
    });
    if (marks.length) parts.push(latestFault(marks.at(-1)));
    this.figure.querySelector("[data-latest]").replaceChildren(...(parts.length ? parts : ["none"]));
  }

  tabulate(there, { columns, rows }) {
    const head = ["Seconds", ...there.map((one) => one.name)].map((text) => element("th", { text, scope: "col", className: "number" }));
    const body = rows.slice(-LATEST_ROWS).reverse().map((row) => {
      const cells = there.map((one) => element("td", { text: numbers.exact(valueOf(one, columns, row)), className: "number" }));
      return element("tr", {}, element("th", { text: numbers.exact(row[0]), scope: "row", className: "number" }), ...cells);
    });
    this.table.querySelector("thead tr").replaceChildren(...head);
    this.table.querySelector("tbody").replaceChildren(...body);
  }

  option(there, data, usable, marks) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const axis = (more) => ({
      type: "value",
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { color: colour("muted"), fontSize: 11, hideOverlap: true, formatter: numbers.exact },
      splitLine: { lineStyle: { color: colour("rule") } },
      ...more,
    });
    const right = there.some((one) => one.right);
    return {
      animation: false,
      backgroundColor: "transparent",
      textStyle: { fontFamily: style.fontFamily, color: colour("ink") },
      grid: { left: 40, right: right ? 40 : 12, top: 18, bottom: 24 },
      xAxis: axis({ min: "dataMin", max: "dataMax", splitLine: { show: false }, axisLabel: { color: colour("muted"), fontSize: 11, hideOverlap: true, showMinLabel: false, formatter: (value) => `${numbers.exact(value)} s` } }),
      yAxis: [axis({ min: 0, splitNumber: 3 }), ...(right ? [axis({ min: 0, max: 100, splitNumber: 2, splitLine: { show: false } })] : [])],
      tooltip: {
        trigger: "axis",
        confine: true,
        backgroundColor: colour("surface"),
        borderColor: colour("rule"),
        textStyle: { color: colour("ink"), fontSize: 12.5 },
        formatter: (found) => tip(found),
      },
      series: there.map((one, i) => ({ ...this.oneSeries(one, data[i], colour), ...(i === 0 ? marksOn(usable, marks, colour) : {}) })),
    };
  }

  oneSeries(one, data, colour) {
    const color = colour(one.colour);
    const area = one.stack || one.fill;
    return {
      name: one.name,
      type: "line",
      data,
      showSymbol: data.length < 2,
      symbolSize: 4,
      stack: one.stack ? "all" : undefined,
      yAxisIndex: one.right ? 1 : 0,
      itemStyle: { color },
      lineStyle: { color, width: one.stack ? 1.25 : 2, type: one.dash ?? "solid" },
      areaStyle: area ? { color, opacity: one.stack ? 0.45 : 0.1 } : undefined,
    };
  }
}

// What is drawn over a chart: the connections that can be used, and the faults, each a line and a band while it lasts.

function marksOn(usable, marks, colour) {
  const lines = marks.map(({ start }) => ({ xAxis: start, ...faultLine(colour, marks.length > FEW_MARKS) }));
  if (usable) lines.push({ yAxis: usable, ...usableLine(usable, colour) });
  const bands = marks.map(({ start, end }) => [{ xAxis: start }, { xAxis: end }]);
  return {
    markLine: lines.length ? { silent: true, symbol: "none", data: lines } : undefined,
    markArea: bands.length ? { silent: true, itemStyle: { color: colour("leak"), opacity: 0.16 }, data: bands } : undefined,
  };
}

const faultLine = (colour, many) => ({
  lineStyle: { color: colour("leak"), type: "solid", width: many ? 0.75 : 1.5, opacity: many ? 0.5 : 1 },
  label: { show: !many, position: "end", distance: 2, color: colour("leak"), fontSize: 11, fontWeight: 600, formatter: "fault" },
});

const usableLine = (limit, colour) => ({
  lineStyle: { color: colour("ink"), type: [3, 3], width: 1.25 },
  label: { position: "insideStartTop", color: colour("ink"), fontWeight: 600, formatter: `${limit} usable` },
});

// The faults that a chart shows; one that still lasts goes on to the latest row.

function marked({ rows, marks }) {
  if (rows.length < 2) return [];
  const [first, last] = [rows[0][0], rows.at(-1)[0]];
  const within = marks.filter(([start]) => start >= first && start <= last);
  return within.map(([start, end]) => ({ start, end: Math.min(end ?? last, last) }));
}

// Its words are those of the trial; here they would be wider than the chart. What is over at once has one time.

function latestFault([start, end, words]) {
  const [began, ended] = [start, end ?? start].map(numbers.exact);
  const text = began === ended ? `${began} s` : `${began} to ${ended} s`;
  const word = end === null ? " fault since" : " fault";
  return element("span", { className: "value", title: words }, swatch({ colour: "leak" }), element("b", { text }), word);
}

const valueOf = (one, columns, row) => {
  const value = row[columns.indexOf(one.column)] ?? null;
  return one.of ? one.of(value) : value;
};

// A line ends where nothing was seen for a while, as between two trials.

function points(one, { columns, rows, seconds }) {
  const made = [];
  rows.forEach((row, i) => {
    if (i && row[0] - rows[i - 1][0] > 4 * seconds) made.push([rows[i - 1][0] + seconds, null]);
    made.push([row[0], valueOf(one, columns, row)]);
  });
  return made;
}

function swatch(one) {
  return element("span", { className: `swatch in-${one.colour} ${one.dash ?? "solid"}`, "aria-hidden": "true" });
}

function tip(found) {
  const rows = found.map(({ seriesName, value }) => {
    const head = element("th", { text: seriesName });
    return element("tr", {}, head, element("td", { text: numbers.exact(value[1]), className: "number" }));
  });
  const title = element("b", { text: `${numbers.exact(found[0].value[0])} s` });
  return element("div", { className: "tip" }, title, element("table", {}, ...rows));
}
