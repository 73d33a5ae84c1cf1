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

  const pressed = (bar, text, label, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    if (label) made.setAttribute("aria-label", label);
    made.addEventListener("click", act);
    bar.append(made);
    return made;
  };
  // A domain about the middle of what is shown; none is all of it.
  const zoom = (view, times) => {
    for (const { channel, field } of view.signal("zoom_tuple_fields")) {
      const scale = view.scale(channel);
      const [from, to] = scale.range();
      const half = (to - from) / 2 / times;
      const ends = [-half, half].map((each) => +scale.invert((from + to) / 2 + each));
      view.signal("zoom_" + field, times ? ends : null);
    }
    view.runAsync();
  };
  // One button a name of a legend, pressed as the legend has it, whoever chose.
  const keys = (bar, view, { field, scale }) => {
    const store = "chosen_" + field + "_store";
    const fields = view.signal("chosen_" + field + "_tuple_fields");
    const chosen = () => view.data(store).map((row) => row.values[0]);
    const made = scale.domain.map((name) => {
      const key = pressed(bar, "Only " + name.replace(/\n/g, " "), "", () => {
        const now = chosen();
        const next = now.includes(name) ? now.filter((each) => each !== name) : [...now, name];
        const rows = next.map((each) => ({ unit: "", fields, values: [each] }));
        view.data(store, rows).runAsync();
      });
      key.className = "key";
      return key;
    });
    const show = () =>
      made.forEach((key, place) =>
        key.setAttribute("aria-pressed", chosen().includes(scale.domain[place]))
      );
    view.addDataListener(store, show);
    show();
  };
  // What the mouse does by wheel and legend, for keys and fingers.
  const tools = (element, view, spec, title) => {
    const params = (spec.params || []).map((param) => param.name);
    const bar = document.createElement("div");
    bar.className = "tools";
    bar.setAttribute("role", "group");
    bar.setAttribute("aria-label", "Zoom and legend: " + title);
    if (params.includes("zoom")) {
      pressed(bar, "+", "Zoom in", () => zoom(view, 1.5));
      pressed(bar, "−", "Zoom out", () => zoom(view, 1 / 1.5));
      pressed(bar, "Back", "Back to all of it", () => zoom(view, 0));
    }
    for (const { encoding } of [spec, ...(spec.layer || [])]) {
      for (const channel of ["color", "shape"]) {
        const given = encoding?.[channel];
        const place = params.indexOf("chosen_" + given?.field);
        if (place < 0 || !(given.scale?.domain?.length > 1)) continue;
        params.splice(place, 1); // several layers have one legend
        keys(bar, view, given);
      }
    }
    if (bar.childElementCount) element.after(bar);
  };

  // A table that scrolls is reached by keys; others are not in their way.
  const watched = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const wide = target.scrollWidth > target.clientWidth;
      if (wide || target.scrollHeight > target.clientHeight) {
        target.tabIndex = 0;
        target.setAttribute("role", "region");
        target.setAttribute("aria-label", target.querySelector("caption").textContent);
      } else {
        for (const name of ["tabindex", "role", "aria-label"]) target.removeAttribute(name);
      }
    }
  });
  for (const each of document.querySelectorAll(".scroll")) watched.observe(each);

  // Paper has no button to open a table: all but very long ones are open there.
  const LONG = 60;
  let shut = [];
  window.addEventListener("beforeprint", () => {
    shut = [...document.querySelectorAll("details:not([open])")].filter(
      (each) => each.querySelectorAll("tr").length <= LONG && !each.closest(".chart")
    );
    for (const each of shut) each.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const each of shut) each.open = false;
  });

  const draw = async () => {
    for (const [place, chart] of given.charts.entries()) {
      const element = document.getElementById("c" + place);
      try {
        const { view, spec } = await charts.draw(element, chart, given.look, {
          actions: { export: true, source: false, compiled: false, editor: false },
          downloadFileName: "computebill-" + (place + 1),
          tooltip: { theme: "page" },
        });
        element.querySelector("summary")?.setAttribute("aria-label", "Save this chart");
        tools(element, view, spec, chart.title);
      } catch (error) {
        element.textContent = "This chart cannot be drawn; its table follows.";
        console.error(error);
      }
    }
    root.dataset.drawn = "yes";
  };
  draw();
})();
