#!/usr/bin/env bash
# A label of an ECharts axis that has a name, a line break, and a detail in a style of rich text, with a width and overflow "break".
#
# Expected: `overflow: "break"` breaks lines that are too long, and keeps the breaks that the text has: the detail is below the name.
# Seen: the name and the detail are on one line, in one row of pixels, and a detail wider than the rest of the width is written over
#   the name. Without the width, or with "truncate", they are on two lines. Nothing is logged.
# Why: the text before the styled part, "name\n", is wrapped on its own, and wrapping drops the empty line at its end.
# Who meets it: a chart whose axis names have a second line in another style, once a width keeps long names within the chart.
# Versions: echarts 6.1.0 (zrender 6.1.0), rendered to SVG; node 20.20.2.
# Output seen: "no width: 2 lines; truncate: 2 lines; break: 1 line".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund echarts@6.1.0
cat > labels.cjs <<'JS'
const echarts = require("echarts");

function lines(text, label) {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: 600, height: 200 });
  chart.setOption({
    animation: false,
    xAxis: { type: "value" },
    yAxis: { type: "category", data: [text], axisLabel: { interval: 0, rich: { detail: { fontSize: 11 } }, ...label } },
    series: [{ type: "bar", data: [1] }],
  });
  const drawn = chart.renderToSVGString();
  chart.dispose();
  const found = [...drawn.matchAll(/<text ([^>]*)>(name|detail)<\/text>/g)];
  if (found.length !== 2) throw new Error(`${found.length} parts of the label`);
  const count = new Set(found.map(([, attributes]) => / y="([^"]*)"/.exec(attributes)?.[1] ?? "0")).size;
  return `${count} ${count === 1 ? "line" : "lines"}`;
}

const plain = "name\n{detail|detail}";
const width = { width: 132, overflow: "break" };
const seen = {
  "no width": lines(plain, {}),
  truncate: lines(plain, { ...width, overflow: "truncate" }),
  break: lines(plain, width),
};
console.log(Object.entries(seen).map(([how, count]) => `${how}: ${count}`).join("; "));
JS
seen=$(node labels.cjs)
echo "$seen"
[ "$seen" = "no width: 2 lines; truncate: 2 lines; break: 1 line" ]
