"use strict";
// Draws a chart in the width that it has; where that is little, names take more lines and legends
// one column. Vega's bundle comes before it.
const charts = (() => {
  const NARROW = 560;
  const isNarrow = (element) => element.clientWidth < NARROW;

  const fitted = (given, width) => {
    const look = structuredClone(given);
    if (width < NARROW) {
      look.axisY.labelLimit = Math.round(width * 0.36);
      look.legend.columns = 1;
      look.legend.labelLimit = width - 60;
    }
    return look;
  };
  const folded = (name) =>
    name.replace(/\n/g, " ").replace(/(.{1,18})(?:\s+|(?<=-)|$)/g, "$1\n").trim();
  const narrowed = (spec) => {
    const names = new Set(
      Object.values(spec.datasets).flat().map((row) => row.name).filter((name) => name?.length > 18)
    );
    const found = JSON.parse(JSON.stringify(spec), (key, value) =>
      key === "columns" ? undefined : names.has(value) ? folded(value) : value
    );
    if (names.size) found.height = Math.round(1.5 * spec.height);
    return found;
  };

  // Returns the view, and the chart as it was fitted.
  const draw = async (element, { spec, label }, look, options) => {
    const drawn = isNarrow(element) ? narrowed(spec) : spec;
    const { view } = await window.vegaEmbed(element, drawn, {
      mode: "vega-lite",
      logLevel: 1, // errors only
      ast: true,
      renderer: "svg",
      config: fitted(look, element.clientWidth),
      ...options,
    });
    tell(element, label);
    return { view, spec: drawn };
  };
  const tell = (element, label) => {
    const picture = element.querySelector("svg.marks");
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", label);
  };

  const shown = new WeakMap();
  const shape = ({ datasets, ...rest }) => JSON.stringify(rest);
  // Draws what moves: of a chart that has its shape still, only the rows are new.
  const show = async (element, chart, look, options) => {
    const kind = `${isNarrow(element)} ${shape(chart.spec)}`;
    const last = shown.get(element);
    if (last?.kind !== kind) {
      last?.view.finalize();
      const { view } = await draw(element, chart, look, options);
      shown.set(element, { kind, view });
      return;
    }
    const { datasets } = isNarrow(element) ? narrowed(chart.spec) : chart.spec;
    for (const [name, rows] of Object.entries(datasets)) last.view.data(name, rows);
    await last.view.runAsync();
    tell(element, chart.label);
  };
  return { draw, show };
})();
