// Spells numbers by the rule of loadlab/report/numbers.py, which says why: two decimals below 4, one below 100, then none;
// below 0.1 two significant digits. For axes and samples alone: every other number arrives spelt.
"use strict";

globalThis.numbers = (() => {
  const DECIMALS = [[0.01, 4], [0.1, 3], [4, 2], [100, 1], [Infinity, 0]];
  const MISSING = "–";

  function figure(value) {
    if (value === null || value === undefined || !Number.isFinite(value)) return MISSING;
    if (value === 0) return "0";
    if (Math.abs(value) < 0.001) return "<0.001";
    for (const [limit, decimals] of DECIMALS) {
      const text = value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
      if (Math.abs(Number(text.replaceAll(",", ""))) < limit) return text;
    }
  }

  function exact(value) {
    const text = figure(value);
    return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  }

  return { MISSING, figure, exact };
})();
