"use strict";
(() => {
  const given = JSON.parse(document.getElementById("given").textContent);
  const root = document.documentElement;

  const button = document.getElementById("theme");
  const themes = ["as the system", "light", "dark"];
  let theme = 0;
  button.hidden = false;
  button.addEventListener("click", () => {
    theme = (theme + 1) % themes.length;
    if (theme) root.dataset.theme = themes[theme];
    else delete root.dataset.theme;
    button.textContent = "Colours: " + themes[theme];
  });

  // Where there is little room, names take more lines and legends one column.
  const NARROW = 560;
  const fitted = (width) => {
    const look = structuredClone(given.look);
    if (width < NARROW) {
      look.axisY.labelLimit = Math.round(width * 0.36);
      look.axis.labelFontSize = 11;
      look.legend.columns = 1;
      look.legend.labelLimit = width - 60;
    }
    return look;
  };
  const folded = (name) =>
    name.replace(/\n/g, " ").replace(/(.{12,20})[ ]/g, "$1\n");
  const narrowed = (spec) => {
    const names = new Set(
      Object.values(spec.datasets).flat().map((row) => row.name).filter((name) => name?.length > 20)
    );
    const found = JSON.parse(JSON.stringify(spec), (key, value) =>
      key === "columns" ? undefined : names.has(value) ? folded(value) : value
    );
    if (names.size) found.height = Math.round(1.5 * spec.height);
    return found;
  };

  const draw = async () => {
    for (const [place, chart] of given.charts.entries()) {
      const element = document.getElementById("c" + place);
      try {
        const width = element.clientWidth;
        const spec = width < NARROW ? narrowed(chart.spec) : chart.spec;
        await window.vegaEmbed(element, spec, {
          mode: "vega-lite",
          logLevel: 1, // errors only
          ast: true,
          renderer: "svg",
          config: fitted(width),
          actions: { export: true, source: false, compiled: false, editor: false },
          downloadFileName: "computebill-" + (place + 1),
          tooltip: { theme: "page" },
        });
        const picture = element.querySelector("svg.marks");
        picture.setAttribute("role", "img");
        picture.setAttribute("aria-label", chart.label);
      } catch (error) {
        element.textContent = "This chart cannot be drawn; its table follows.";
        console.error(error);
      }
    }
    root.dataset.drawn = "yes";
  };
  draw();
})();
