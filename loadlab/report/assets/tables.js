// Makes the report's tables sortable, filterable and downloadable, and its headings linkable. Without it all rows are there.
"use strict";

(() => {
  const FEWEST_TO_SORT = 2;
  const FEWEST_TO_FILTER = 8;
  const SKIPPED = ".matrix, .settings, .ranks";

  function element(tag, { text, ...properties } = {}) {
    const made = Object.assign(document.createElement(tag), properties);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // Sorting

  const NUMBER = /^[<~]?\s*(-?[\d,]*\.?\d+)/;

  function sortKey(cell) {
    const text = cell.textContent.trim();
    const found = NUMBER.exec(text);
    return found ? Number(found[1].replaceAll(",", "")) : text.toLowerCase();
  }

  function byKey(one, other) {
    if (typeof one === typeof other) return one < other ? -1 : one > other ? 1 : 0;
    return typeof one === "number" ? -1 : 1; // figures before words and dashes
  }

  function sort(table, column, head) {
    const falls = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falls ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, key: sortKey(row.cells[column]) }));
    rows.sort((one, other) => (falls ? -1 : 1) * byKey(one.key, other.key));
    body.replaceChildren(...rows.map(({ row }) => row));
  }

  function makeSortable(table) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = element("button", { type: "button", className: "sort", text: head.textContent });
      button.addEventListener("click", () => sort(table, column, head));
      head.replaceChildren(button);
    });
  }

  // Filtering

  function filter(table, wanted) {
    const words = wanted.toLowerCase().split(/\s+/);
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  }

  // Downloading: a cell that a spreadsheet would take for a formula begins with an apostrophe.

  function field(cell) {
    const text = cell.textContent.trim();
    const inert = /^[=+@\t]|^-(?!\d)/.test(text) ? `'${text}` : text;
    return `"${inert.replaceAll('"', '""')}"`;
  }

  function asCsv(table) {
    const rows = [...table.rows].filter((row) => !row.hidden);
    return rows.map((row) => [...row.cells].map(field).join(",")).join("\r\n");
  }

  function download(table, name) {
    const address = URL.createObjectURL(new Blob([asCsv(table)], { type: "text/csv" }));
    element("a", { href: address, download: `${name}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }

  function tools(table) {
    const name = table.caption.textContent.trim();
    const bar = element("div", { className: "tools" });
    if (table.tBodies[0].rows.length >= FEWEST_TO_FILTER) {
      const input = element("input", { type: "search", placeholder: "Filter rows", ariaLabel: `Filter: ${name}` });
      input.addEventListener("input", () => filter(table, input.value.trim()));
      bar.append(input);
    }
    const button = element("button", { type: "button", text: "Download CSV" });
    button.addEventListener("click", () => download(table, name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").slice(0, 60)));
    bar.append(button);
    return bar;
  }

  for (const table of document.querySelectorAll(`.scroll > table:not(${SKIPPED})`)) {
    if (table.tBodies[0].rows.length < FEWEST_TO_SORT) continue;
    table.parentElement.before(tools(table));
    makeSortable(table);
  }

  // Links to headings

  for (const heading of document.querySelectorAll("main h2[id], .card h3[id]")) {
    const section = heading.tagName === "H2" ? heading.closest("section")?.id : heading.id;
    if (!section) continue;
    heading.append(element("a", { className: "anchor", href: `#${section}`, text: "#", ariaLabel: "Link to this section" }));
  }
})();
