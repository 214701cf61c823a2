// Draws the report's charts, and makes its buttons work. Without it the page still says everything.
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const root = document.documentElement;
  const state = { hidden: new Set(), added: data.mode_latencies[0] };
  const NARROW = 560;
  const SYMBOLS = { zero: "circle", finite: "rect", unlimited: "triangle" };
  const DASHES = { zero: "solid", finite: "solid", unlimited: [7, 4], other: [2, 3] };
  const FADES = [0, 0.4, 0.65]; // the style sheet's shades, as shares of the surface's colour
  const CPU = ["app", "database", "generator"];
  const PERCENTILES = ["p50", "p95", "p99"];

  // Colours: the style sheet owns them, so that charts follow light and dark.

  const style = getComputedStyle(root);
  const sans = style.fontFamily;
  let colours = {}; // read once per drawing: asking for a style makes the browser lay out the page
  const colour = (name) => (colours[name] ??= style.getPropertyValue(`--${name}`).trim());

  function strategyColour(index) {
    const { tone, shade } = data.strategies[index];
    if (tone === "other") return colour(`other-${shade}`);
    return echarts.color.lerp(FADES[shade], [colour(tone), colour("surface")]);
  }

  // Words

  const plain = (text) => text.replace(/[{}|\s]+/g, " "); // braces and bars would style a label
  // The line break is in braces: ECharts drops one after text that may itself be broken, as long names have to be.
  const axisLabel = (name, detail) => (detail ? `${plain(name)}{end|\n}{detail|${detail}}` : plain(name));
  const modeLabel = (mode) => axisLabel(mode.title, mode.detail.split(", ").map(plain).join("\n"));
  const armLabel = (arm) => `${modeName(data.modes[arm.mode])}, ${data.strategies[arm.strategy].label}`;
  const modeName = (mode) => (mode.detail ? `${mode.title} (${mode.detail})` : mode.title);

  // A tooltip is built of elements with text, never of HTML: names may hold anything.

  function element(tag, text, className) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function tip(title, rows) {
    const box = element("div", undefined, "tip");
    const table = element("table");
    for (const [name, value] of rows) {
      const row = element("tr");
      row.append(element("th", name), element("td", value, "number"));
      table.append(row);
    }
    box.append(element("b", title), table);
    return box;
  }

  // What all charts share

  function frame(rest) {
    return {
      animation: false,
      backgroundColor: "transparent",
      textStyle: { fontFamily: sans, color: colour("ink") },
      tooltip: {
        confine: true,
        backgroundColor: colour("surface"),
        borderColor: colour("rule"),
        textStyle: { color: colour("ink"), fontSize: 12.5 },
        ...rest.tooltip,
      },
      ...Object.fromEntries(Object.entries(rest).filter(([key]) => key !== "tooltip")),
    };
  }

  function valueAxis(name, { maxLabel, ...more }) {
    return {
      type: "value",
      name,
      nameLocation: "middle",
      nameGap: 30,
      nameTextStyle: { color: colour("muted") },
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: {
        color: colour("muted"),
        hideOverlap: true,
        showMaxLabel: maxLabel ?? null,
        formatter: numbers.exact,
      },
      splitLine: { lineStyle: { color: colour("rule") } },
      ...more,
    };
  }

  function modeAxis(width) {
    return {
      type: "category",
      data: shownModes().map((index) => modeLabel(data.modes[index])),
      inverse: true,
      axisLine: { show: false },
      axisTick: { show: false },
      splitLine: { show: true, lineStyle: { color: colour("rule") } },
      axisLabel: {
        color: colour("ink"),
        interval: 0,
        lineHeight: 15,
        fontWeight: 600,
        width: labelWidth(width),
        overflow: "break",
        rich: {
          end: {},
          detail: { color: colour("muted"), fontSize: 11, fontWeight: 400, lineHeight: 14, width: labelWidth(width) },
        },
      },
    };
  }

  const labelWidth = (width) => (width < NARROW ? 96 : 132);
  const rowsGrid = (width) => ({ left: labelWidth(width) + 12, right: 22, top: 10, bottom: 48 });

  // The rows of a chart by mode: every strategy has its own lane within the mode's band.

  // Of a run with several added latencies, one is drawn at a time: its modes are the rows.

  const shownModes = () => data.modes.map((_, i) => i).filter((i) => data.mode_latencies[i] === state.added);
  const rowOf = (mode) => shownModes().indexOf(mode);

  const shown = () => data.strategies.map((_, i) => i).filter((i) => !state.hidden.has(i));
  const visibleArms = () => data.arms.filter((arm) => !state.hidden.has(arm.strategy) && rowOf(arm.mode) >= 0);
  const bandHeight = () => Math.max(62, (laneHeight() + 4) * shown().length + 20);
  const rowsHeight = () => shownModes().length * bandHeight() + 62;

  const laneHeight = () => (shown().length > 6 ? 16 : 24);

  function laneOf(strategy) {
    const lanes = shown();
    return (lanes.indexOf(strategy) - (lanes.length - 1) / 2) * laneHeight();
  }

  // The whole lane answers the pointer, not only the few pixels of a mark.

  function laneRect({ x, width }, y) {
    return { type: "rect", shape: { x, width, y: y - laneHeight() / 2, height: laneHeight() }, style: { fill: "transparent" } };
  }

  function stroke(x1, x2, y, style, cap) {
    const line = (a, b, c, d) => ({ type: "line", shape: { x1: a, y1: b, x2: c, y2: d }, style });
    const caps = cap ? [line(x1, y - cap, x1, y + cap), line(x2, y - cap, x2, y + cap)] : [];
    return [line(x1, y, x2, y), ...caps];
  }

  const CORNERS = { finite: [[-5, -5], [5, -5], [5, 5], [-5, 5]], unlimited: [[0, -6.5], [6, 5], [-6, 5]] };
  const corners = ({ tone, mark }) => CORNERS[tone] ?? mark;

  function mark(strategy, x, y, style) {
    if (strategy.tone === "zero") return { type: "circle", shape: { cx: x, cy: y, r: 5.5 }, style };
    const points = corners(strategy).map(([dx, dy]) => [x + dx, y + dy]);
    return { type: "polygon", shape: { points }, style };
  }

  // The same mark on a line: ECharts takes a path.

  function symbol(strategy) {
    return SYMBOLS[strategy.tone] ?? `path://M${strategy.mark.map((corner) => corner.join(" ")).join("L")}Z`;
  }

  // A row chart: `draw(arm, at, style)` gives the shapes of one arm; `at(value)` is the place of a value.

  function rowSeries(arms, values, draw) {
    return {
      type: "custom",
      data: arms.map((arm) => [...values(arm), rowOf(arm.mode)]),
      encode: { x: values(arms[0]).map((_, i) => i), y: values(arms[0]).length },
      renderItem(params, api) {
        const arm = arms[params.dataIndex];
        const y = api.coord([api.value(0), rowOf(arm.mode)])[1] + laneOf(arm.strategy);
        const at = (value) => api.coord([value, rowOf(arm.mode)])[0];
        const shapes = draw(arm, at, y, strategyColour(arm.strategy));
        return { type: "group", children: [laneRect(params.coordSys, y), ...shapes] };
      },
    };
  }

  function rowChart(width, axis, arms, values, draw, tooltip) {
    return frame({
      grid: rowsGrid(width),
      xAxis: axis,
      yAxis: modeAxis(width),
      tooltip: { trigger: "item", formatter: (point) => tooltip(arms[point.dataIndex]) },
      series: arms.length ? [rowSeries(arms, values, draw)] : [],
    });
  }

  // The charts

  function throughput(width) {
    const arms = visibleArms().filter((arm) => arm.throughput);
    const low = (arm) => arm.throughput.low ?? arm.throughput.value;
    const high = (arm) => arm.throughput.high ?? arm.throughput.value;
    return rowChart(
      width,
      valueAxis("requests/s", { min: 0 }),
      arms,
      (arm) => [arm.throughput.value, low(arm), high(arm)],
      (arm, at, y, fill) => [
        ...stroke(at(low(arm)), at(high(arm)), y, { stroke: fill, lineWidth: 2 }, 4),
        mark(data.strategies[arm.strategy], at(arm.throughput.value), y, { fill }),
      ],
      (arm) => tip(armLabel(arm), [["requests/s", arm.throughput.words]]),
    );
  }

  function latency(width) {
    const arms = visibleArms().filter((arm) => arm.percentiles[0]);
    const known = (arm) => arm.percentiles.filter((value) => value !== null);
    return rowChart(
      width,
      logAxis("milliseconds (log)", arms.flatMap((arm) => [...arm.percentiles, ...(arm.service ?? [])]).filter((value) => value > 0)),
      arms,
      (arm) => arm.percentiles.map((value) => value ?? arm.percentiles[0]),
      (arm, at, y, fill) => [...percentileShapes(arm, known(arm), at, y, fill), ...serviceShapes(arm, at, y + 9)],
      (arm) => tip(armLabel(arm), [...named(arm.words.percentiles, ""), ...named(arm.words.service, " from sending")]),
    );
  }

  const named = (words, what) => words.map((text, i) => [`${PERCENTILES[i]}${what}`, text]);

  // Under an open load: the same percentiles from when requests were sent, below those from when they were due.

  function serviceShapes(arm, at, y) {
    const known = (arm.service ?? []).filter((value) => value !== null);
    const style = { stroke: colour("muted"), lineWidth: 1 };
    return known.length ? [known.at(-1), ...known].flatMap((value) => stroke(at(known[0]), at(value), y, style, 3)) : [];
  }

  // Powers of ten alone would leave a narrow range without a label: 1, 2, 5, 10, 20, …

  function logAxis(name, values) {
    const steps = [-2, -1, 0, 1, 2, 3, 4, 5].flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power));
    const min = steps.findLast((step) => step <= Math.min(...values)) ?? steps[0];
    const max = steps.find((step) => step >= Math.max(...values)) ?? steps.at(-1);
    const ticks = steps.filter((step) => step >= min && step <= max);
    const axis = valueAxis(name, { type: "log", min, max });
    const customValues = ticks;
    return { ...axis, axisTick: { ...axis.axisTick, customValues }, axisLabel: { ...axis.axisLabel, customValues } };
  }

  function percentileShapes(arm, values, at, y, fill) {
    const strategy = data.strategies[arm.strategy];
    const [p50, p95, p99] = arm.percentiles;
    const shapes = stroke(at(p50), at(values.at(-1)), y, { stroke: fill, lineWidth: 2 });
    if (p95 !== null) shapes.push(...stroke(at(p95), at(p95), y, { stroke: fill, lineWidth: 2 }, 6));
    shapes.push(mark(strategy, at(p50), y, { fill }));
    const hollow = { fill: colour("surface"), stroke: fill, lineWidth: 2 };
    if (p99 !== null) shapes.push(mark(strategy, at(p99), y, hollow));
    return shapes;
  }

  // The ratio to the baseline, or to the other side, on a logarithmic axis: twice and half are equally far from the line of one.

  function ratio(width) {
    const arms = visibleArms().filter((arm) => arm.ratio);
    const low = (arm) => arm.ratio.low ?? arm.ratio.value;
    const high = (arm) => arm.ratio.high ?? arm.ratio.value;
    const values = arms.flatMap((arm) => [low(arm), high(arm)]).filter((value) => value > 0);
    const option = rowChart(
      width,
      logAxis(`${data.metric}, ratio to ${data.compared_with} (log)`, [0.9, 1.1, ...values]),
      arms,
      (arm) => [arm.ratio.value, low(arm), high(arm)],
      (arm, at, y, fill) => [
        ...stroke(at(Math.max(low(arm), 0.01)), at(high(arm)), y, { stroke: fill, lineWidth: 2 }, 4),
        mark(data.strategies[arm.strategy], at(arm.ratio.value), y, { fill }),
        ...(arm.leaks ? [word("LEAK", at(high(arm)) + 8, y, colour("leak"))] : []),
      ],
      (arm) => tip(armLabel(arm), [["ratio", arm.ratio.words], ...(arm.leaks ? [["connections", "LEAK"]] : [])]),
    );
    return { ...option, series: [...option.series, markLine([{ xAxis: 1, label: { show: false } }])] };
  }

  function word(text, x, y, fill) {
    const style = { text, x, y, fill, verticalAlign: "middle", fontSize: 10.5, fontWeight: 700, fontFamily: sans };
    return { type: "text", style };
  }

  function cpu(width) {
    const arms = visibleArms().filter((arm) => arm.cpu);
    return frame({
      grid: { ...rowsGrid(width), top: 34 },
      legend: {
        top: 0,
        left: 0,
        itemWidth: 12,
        itemHeight: 12,
        selectedMode: false,
        textStyle: { color: colour("ink"), fontSize: 12.5 },
      },
      xAxis: valueAxis("ms per request", { min: 0 }),
      yAxis: cpuAxis(arms, width),
      tooltip: { trigger: "axis", axisPointer: { type: "none" }, formatter: (points) => cpuTip(arms[points[0].dataIndex]) },
      series: CPU.map((name, i) => ({
        name,
        type: "bar",
        stack: "cpu",
        barMaxWidth: 14,
        itemStyle: { color: colour(`cpu-${name}`), borderColor: colour("surface"), borderWidth: 1 },
        data: arms.map((arm) => arm.cpu[i]),
      })),
    });
  }

  function cpuAxis(arms, width) {
    const words = (arm) => [data.modes[arm.mode].detail, data.strategies[arm.strategy].label].filter(Boolean).join(", ");
    const label = (arm) => axisLabel(data.modes[arm.mode].title, plain(words(arm)));
    const axis = modeAxis(width);
    return { ...axis, data: arms.map(label), splitLine: { show: false } };
  }

  function cpuTip(arm) {
    return tip(armLabel(arm), [...CPU, "together"].map((name, i) => [name, arm.words.cpu[i]]));
  }

  function open(width, place) {
    const mode = Number(place.dataset.mode);
    const arms = data.arms.filter((arm) => !state.hidden.has(arm.strategy) && arm.mode === mode && arm.line);
    const usable = data.arms.find((arm) => arm.mode === mode)?.usable;
    return frame({
      grid: { left: 36, right: 14, top: 16, bottom: 42 },
      xAxis: valueAxis("seconds since the load started", { min: 0, max: "dataMax", maxLabel: false, splitLine: { show: false } }),
      yAxis: valueAxis("", { min: 0, max: ({ max }) => (max < usable ? usable : null), minInterval: 1 }),
      tooltip: { trigger: "axis", formatter: (points) => lineTip(arms, points, "s") },
      series: [...arms.map(bandSeries), ...arms.map(lineSeries), usableSeries(usable)],
    });
  }

  function lineSeries(arm) {
    const { label, tone } = data.strategies[arm.strategy];
    const color = strategyColour(arm.strategy);
    return {
      name: label,
      type: "line",
      showSymbol: false,
      symbol: symbol(data.strategies[arm.strategy]),
      symbolSize: 8,
      itemStyle: { color },
      lineStyle: { color, width: 2.25, type: DASHES[tone] },
      data: arm.line.at.map((second, i) => [second, arm.line.median[i]]),
    };
  }

  function bandSeries(arm) {
    const { at, low, high } = arm.line;
    return {
      type: "custom",
      silent: true,
      tooltip: { show: false },
      data: [[at[0] ?? 0, Math.max(0, ...high)]],
      renderItem: (params, api) => ({
        type: "polygon",
        silent: true,
        shape: {
          points: [
            ...at.map((second, i) => api.coord([second, high[i]])),
            ...at.map((second, i) => api.coord([second, low[i]])).reverse(),
          ],
        },
        style: { fill: strategyColour(arm.strategy), opacity: 0.14 },
      }),
    };
  }

  function usableSeries(usable) {
    // Neither where there is no arm, nor where the number is not known.
    const lines = usable == null ? [] : [{ yAxis: usable, label: { formatter: `${usable} usable` } }];
    const area = { silent: true, itemStyle: { color: colour("sunk"), opacity: 0.7 }, data: [[{ xAxis: 0 }, { xAxis: data.warmup_seconds }]] };
    return { ...markLine(lines), name: "usable", markArea: data.warmup_seconds ? area : undefined };
  }

  function markLine(lines) {
    return {
      type: "line",
      data: [],
      markLine: {
        silent: true,
        symbol: "none",
        lineStyle: { color: colour("ink"), type: [3, 3], width: 1.25 },
        label: { position: "insideEndTop", color: colour("ink"), fontWeight: 600 },
        data: lines,
      },
    };
  }

  function lineTip(arms, points, unit) {
    const instant = points[0].axisValue;
    const rows = arms.map((arm) => {
      const i = nearest(arm.line.at, instant);
      const { median, low, high } = arm.line;
      const value = `${numbers.exact(median[i])} (${numbers.exact(low[i])}–${numbers.exact(high[i])})`;
      return [data.strategies[arm.strategy].label, value];
    });
    return tip(`${numbers.exact(instant)} ${unit}`, rows);
  }

  function nearest(instants, second) {
    return instants.reduce((best, at, i) => (Math.abs(at - second) < Math.abs(instants[best] - second) ? i : best), 0);
  }

  // The ratio over added latency: a line per strategy, on a logarithmic axis, where twice and half are equally far.

  function addedLatency(width, place) {
    const { round_trips, lines } = data.added_latency[place.dataset.group];
    const drawn = lines.filter((line) => !state.hidden.has(line.strategy));
    const values = drawn.flatMap((line) => [...line.ratios, ...line.lows, ...line.highs]).filter((value) => value !== null);
    return frame({
      grid: { left: 48, right: width < NARROW ? 16 : 28, top: 18, bottom: 48 },
      xAxis: addedLatencyAxis(round_trips),
      yAxis: logAxis("", [1, ...values]),
      tooltip: { trigger: "axis", formatter: (points) => addedLatencyTip(drawn, round_trips, points[0].dataIndex) },
      series: [...drawn.map(addedLatencySeries), evenSeries()],
    });
  }

  function addedLatencyAxis(roundTrips) {
    return {
      type: "category",
      data: roundTrips,
      name: "added to each round trip to the database",
      nameLocation: "middle",
      nameGap: 30,
      nameTextStyle: { color: colour("muted") },
      axisLine: { lineStyle: { color: colour("rule") } },
      axisTick: { show: false },
      axisLabel: { color: colour("ink") },
    };
  }

  function addedLatencySeries(line) {
    const strategy = data.strategies[line.strategy];
    const color = strategyColour(line.strategy);
    return {
      name: strategy.label,
      type: "line",
      symbol: symbol(strategy),
      symbolKeepAspect: true,
      symbolSize: 11,
      connectNulls: false,
      itemStyle: { color },
      lineStyle: { color, width: 2, type: DASHES[strategy.tone] },
      data: line.ratios,
    };
  }

  // The line of one: above it a strategy is faster than the baseline, if throughput is what is compared.

  const evenSeries = () => markLine([{ yAxis: 1, label: { formatter: "CONN_MAX_AGE = 0", fontWeight: 400 } }]);

  function addedLatencyTip(lines, roundTrips, index) {
    const rows = lines
      .filter((line) => line.ratios[index] !== null)
      .map((line) => [data.strategies[line.strategy].label, line.words[index]]);
    return tip(roundTrips[index], rows);
  }

  // A fleet over hours: the most connections that PostgreSQL has free, and the events as lines.

  const shownLines = (lines) => lines.filter((one) => !state.hidden.has(one.strategy));
  const fleetMarks = () => data.fleet.marks.map(({ words, at }) => ({ xAxis: at, label: { formatter: words, fontWeight: 400 } }));

  function fleetChart(lines, yAxis, marks, formatter) {
    return frame({
      grid: { left: 58, right: 18, top: 18, bottom: 44 },
      xAxis: valueAxis(data.fleet.unit, { min: 0, max: "dataMax", maxLabel: false, splitLine: { show: false } }),
      yAxis,
      tooltip: { trigger: "axis", formatter },
      series: [...lines.map(bandSeries), ...lines.map(lineSeries), markLine(marks)],
    });
  }

  function fleetOpen() {
    const { limit, limit_words, unit } = data.fleet;
    const lines = shownLines(data.fleet.open);
    const withLimit = ({ max }) => (limit <= 3 * max ? Math.max(limit, max) : null);
    const axis = valueAxis("", { min: 0, max: withLimit, minInterval: 1 });
    const marks = [{ yAxis: limit, label: { formatter: limit_words } }, ...fleetMarks()];
    return fleetChart(lines, axis, marks, (points) => lineTip(lines, points, `${unit}: open`));
  }

  // Opens span from one per request to none for minutes: a logarithmic axis shows both, with none at its foot.

  function fleetOpens() {
    const lines = shownLines(data.fleet.opens);
    const values = lines.flatMap(({ line }) => [...line.median, ...line.high]).filter((value) => value > 0);
    const axis = logAxis("", [...values, 1]);
    const raised = (column) => column.map((value) => Math.max(value, axis.min));
    const drawn = lines.map(({ strategy, line }) => ({
      strategy,
      line: { at: line.at, median: raised(line.median), low: raised(line.low), high: raised(line.high) },
    }));
    const tipOf = (points) => lineTip(lines, points, `${data.fleet.unit}: opened per second`);
    return fleetChart(drawn, axis, fleetMarks(), tipOf);
  }

  // Drawing

  const CHARTS = {
    throughput: { option: throughput, height: rowsHeight },
    latency: { option: latency, height: rowsHeight },
    ratio: { option: ratio, height: rowsHeight },
    cpu: { option: cpu, height: () => Math.max(rowsHeight(), visibleArms().filter((arm) => arm.cpu).length * 30 + 86) },
    open: { option: open, height: () => 260 },
    "added-latency": { option: addedLatency, height: () => 320 },
    "fleet-open": { option: fleetOpen, height: () => 340 },
    "fleet-opens": { option: fleetOpens, height: () => 340 },
  };

  // A chart is first drawn when it comes near the screen, so that the page itself shows at once.

  const places = [...document.querySelectorAll("[data-chart]")];
  const begun = new Set();

  function begin(chosen) {
    for (const place of chosen) begun.add(place);
    draw(chosen);
  }

  function draw(chosen) {
    colours = {};
    for (const place of chosen) {
      const chart = echarts.getInstanceByDom(place) ?? echarts.init(place);
      chart.resize();
      chart.setOption(CHARTS[place.dataset.chart].option(place.clientWidth, place), { notMerge: true });
    }
  }

  function drawAll() {
    for (const place of places) place.style.height = `${CHARTS[place.dataset.chart].height()}px`;
    draw(begun);
  }

  // Buttons

  function toggleStrategy(button) {
    const index = Number(button.dataset.strategy);
    const wasShown = state.hidden.delete(index) === false;
    if (wasShown) state.hidden.add(index);
    button.setAttribute("aria-pressed", String(!wasShown));
    remember();
    drawAll();
  }

  function chooseLatency(button) {
    state.added = button.dataset.added;
    for (const other of latencyButtons) other.setAttribute("aria-pressed", String(other === button));
    showMultiples();
    remember();
    drawAll();
  }

  // Modes with another added latency than the chosen one are out of the way.

  function showMultiples() {
    for (const one of document.querySelectorAll("[data-of-mode]")) one.hidden = rowOf(Number(one.dataset.ofMode)) < 0;
  }

  const latencyButtons = [...document.querySelectorAll("[data-added]")];
  const strategyButtons = [...document.querySelectorAll("[data-strategy]")];

  // What is chosen is in the address, so that a link shows the same: #charts?hide=0,2&at=round trip +5 ms

  function remember() {
    const chosen = new URLSearchParams();
    if (state.hidden.size) chosen.set("hide", [...state.hidden].join(","));
    if (state.added !== data.mode_latencies[0]) chosen.set("at", state.added);
    const query = chosen.toString();
    try {
      history.replaceState(null, "", query ? `#charts?${query}` : "#charts");
    } catch {
      // In a sandbox the address is not ours to change.
    }
  }

  function recall() {
    const [section, query] = location.hash.slice(1).split("?");
    if (section !== "charts" || !query) return;
    const chosen = new URLSearchParams(query);
    const hidden = (chosen.get("hide") ?? "").split(",").filter(Boolean).map(Number);
    state.hidden = new Set(hidden.filter((index) => index in data.strategies));
    for (const button of strategyButtons) {
      button.setAttribute("aria-pressed", String(!state.hidden.has(Number(button.dataset.strategy))));
    }
    if (data.mode_latencies.includes(chosen.get("at"))) state.added = chosen.get("at");
    for (const button of latencyButtons) {
      button.setAttribute("aria-pressed", String(button.dataset.added === state.added));
    }
    document.getElementById("charts")?.scrollIntoView();
  }

  async function copy(button) {
    const code = document.getElementById(button.dataset.copy);
    const copied = (await written(code.textContent)) || selectAndCopy(code);
    document.getElementById("copied").textContent = copied ? "Copied." : "Press Ctrl+C to copy the selection.";
    button.firstChild.data = copied ? "Copied" : "Selected";
    setTimeout(() => (button.firstChild.data = "Copy"), 2000);
  }

  async function written(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return false; // no permission, or not a secure context
    }
  }

  function selectAndCopy(code) {
    const range = document.createRange();
    range.selectNodeContents(code);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    return document.execCommand("copy");
  }

  // Start

  root.classList.add("js");
  for (const button of document.querySelectorAll(".copy")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
  for (const button of strategyButtons) {
    button.addEventListener("click", () => toggleStrategy(button));
  }
  for (const button of latencyButtons) {
    button.addEventListener("click", () => chooseLatency(button));
  }
  if (places.length) {
    recall();
    showMultiples();
    drawAll();
    watch();
  }

  // On paper every chart is drawn, at the width of the page, and nothing is folded away.

  function toPaper() {
    root.classList.add("paper");
    for (const folded of document.querySelectorAll("details:not([open])")) {
      folded.open = true;
      folded.dataset.folded = "";
    }
    for (const place of places) begun.add(place);
    drawAll();
  }

  function toScreen() {
    root.classList.remove("paper");
    for (const folded of document.querySelectorAll("details[data-folded]")) {
      folded.open = false;
      delete folded.dataset.folded;
    }
    drawAll();
  }

  function watch() {
    const nearScreen = new IntersectionObserver((entries) => {
      const seen = entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target);
      for (const place of seen) nearScreen.unobserve(place);
      begin(seen);
    }, { rootMargin: "400px" });
    for (const place of places) nearScreen.observe(place);
    addEventListener("beforeprint", toPaper);
    addEventListener("afterprint", toScreen);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
    let width = document.body.clientWidth;
    new ResizeObserver(() => {
      if (document.body.clientWidth === width) return;
      width = document.body.clientWidth;
      requestAnimationFrame(drawAll);
    }).observe(document.body);
  }
})();
