"use strict";
// Sliders, what the server says of them, and pictures of that. No figure is computed here.

const RUN = { accelerator: "h100-sxm", params: "70e9", tokens: "15e12", count: "2048", final_share: "0.1..0.25" };
const FIELDS = {
  spend: [
    { name: "programme", label: "Company", choices: (options) => Object.entries(options.programmes).map(([name, each]) => [name, each.title]) },
    { name: "mfu", label: "Utilisation (MFU) of its runs", ends: [0.03, 0.9], write: percent, isInterval: true },
    { name: "price", label: "Price, USD per accelerator-hour", ends: [0.2, 20], write: money, isInterval: true },
  ],
  run: [
    { name: "accelerator", label: "Accelerator", choices: (options) => Object.entries(options.accelerators) },
    { name: "params", label: "Parameters", ends: [1e8, 1e13], write: count },
    { name: "params_active", label: "Active parameters, where fewer", ends: [1e8, 1e13], write: count, isOptional: true },
    { name: "tokens", label: "Tokens", ends: [1e9, 1e15], write: count },
    { name: "count", label: "Accelerators", ends: [1, 2e6], write: count },
    { name: "mfu", label: "Utilisation (MFU); as seen in practice if empty", ends: [0.03, 0.9], write: percent, isInterval: true, isOptional: true },
    { name: "price", label: "Price, USD per accelerator-hour; as offered if empty", ends: [0.2, 20], write: money, isInterval: true, isOptional: true },
    { name: "final_share", label: "Share of the whole programme that the run is", ends: [0.01, 1], write: percent, isInterval: true, isOptional: true },
  ],
};
const STEPS = 1000;
const $ = (selector) => document.querySelector(selector);
let options = null;
let state = {};
let view = "spend";
let asked = 0;

function plain(value, digits = 3) {
  if (value === 0) return "0";
  const text = Number(value.toPrecision(digits));
  return Math.abs(text) >= 1e5 || Math.abs(text) < 1e-3 ? text.toExponential() : String(text);
}
function scaled(value, names) {
  for (const [size, name] of names) if (Math.abs(value) >= size) return plain(value / size) + name;
  return plain(value);
}
function count(value) { return scaled(value, [[1e12, " T"], [1e9, " B"], [1e6, " M"], [1e4 / 10, " k"]]); }
function money(value) { return "$" + scaled(value, [[1e9, " B"], [1e6, " M"], [1e3, " k"]]); }
function percent(value) { return plain(value * 100) + " %"; }
function flop(value) { return value.toExponential(2).replace("e+", "e"); }
function interval(row, write) {
  if (!row || row.p50 === null) return "not known";
  return row.p5 === row.p95 ? write(row.p50) : `${write(row.p50)} (${between(row.p5, row.p95, write)})`;
}
// 10.6–48 %: a unit that both have stands once.
function between(low, high, write) {
  const [one, other] = [write(low), write(high)];
  const unit = (text) => text.slice(text.lastIndexOf(" "));
  const isSame = one.includes(" ") && unit(one) === unit(other);
  return isSame ? `${one.slice(0, one.lastIndexOf(" "))}–${other.replace("$", "")}` : `${one}–${other}`;
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
function drawn(name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

// What is given: texts, as the server reads them ---------------------------------------------

function parts(field) {
  const [low, high = ""] = (state[field.name] || "").split("..");
  return [low, high];
}
function given(field, place, text) {
  const both = parts(field);
  both[place] = text;
  state[field.name] = field.isInterval && both[1] && both[1] !== both[0] ? both.join("..") : both[0] || both[1];
}
function place(value, [low, high]) { return (STEPS * Math.log(value / low)) / Math.log(high / low); }
function valueAt(step, [low, high]) { return low * (high / low) ** (step / STEPS); }

function number(text) {
  const units = { k: 1e3, M: 1e6, B: 1e9, T: 1e12, "%": 0.01 };
  const unit = units[text.trim().slice(-1)];
  return unit ? parseFloat(text) * unit : Number(text);
}

function makeForm() {
  const form = $("#form");
  form.replaceChildren(...FIELDS[view].map(makeField));
  for (const button of document.querySelectorAll("nav button")) button.setAttribute("aria-pressed", String(button.dataset.view === view));
}
function makeField(field) {
  const wrong = element("p", { class: "wrong", id: `wrong-${field.name}`, role: "alert" });
  const set = element("fieldset", {}, element("legend", {}, field.label));
  if (field.choices) {
    const select = element("select", { name: field.name, "aria-label": field.label, "aria-describedby": wrong.id });
    select.append(...field.choices(options).map(([value, title]) => element("option", { value }, title)));
    select.value = state[field.name] || "";
    select.addEventListener("change", () => { state[field.name] = select.value; if (field.name === "programme") begin({}); else ask(); });
    set.append(select);
  } else {
    const names = field.isInterval ? ["p10", "p90"] : [""];
    const shows = [];
    set.append(...names.map((name, index) => makeSlider(field, index, name, wrong.id, shows)));
  }
  set.append(wrong);
  return set;
}
function makeSlider(field, index, name, told, shows) {
  const label = `${field.label}${name ? `, ${name}` : ""}`;
  const typed = element("input", { type: "text", name: field.name, "aria-label": label, "aria-describedby": told, inputmode: "decimal" });
  const slider = element("input", { type: "range", min: "0", max: String(STEPS), "aria-label": `${label}, slider` });
  const show = () => {
    const text = parts(field)[index] || (field.isInterval ? parts(field)[0] : "");
    typed.value = text;
    const value = number(text);
    slider.classList.toggle("empty", !text);
    slider.value = String(value > 0 ? place(value, field.ends) : STEPS / 2);
    slider.setAttribute("aria-valuetext", value > 0 ? field.write(value) : "empty");
  };
  slider.addEventListener("input", () => {
    const text = String(Number(valueAt(Number(slider.value), field.ends).toPrecision(3)));
    given(field, index, text);
    // One end takes the other with it.
    const other = parts(field)[1 - index];
    if (field.isInterval && other && (number(other) < Number(text)) === (index === 0)) given(field, 1 - index, text);
    for (const each of shows) each();
    typed.value = text;
    slider.classList.remove("empty");
    slider.setAttribute("aria-valuetext", field.write(Number(text)));
    ask();
  });
  typed.addEventListener("input", () => { given(field, index, typed.value.trim()); const value = number(typed.value); if (value > 0) slider.value = String(place(value, field.ends)); ask(); });
  shows.push(show);
  show();
  return element("div", { class: "row" }, element("label", {}, name), slider, typed);
}

// Asking ---------------------------------------------------------------------------------------

function query() {
  const names = FIELDS[view].map((field) => field.name);
  return new URLSearchParams(names.filter((name) => state[name]).map((name) => [name, state[name]]));
}
let waiting = null;
function ask() {
  clearTimeout(waiting);
  waiting = setTimeout(answer, 15);
}
async function answer() {
  const own = ++asked;
  const text = query().toString();
  history.replaceState(null, "", `?view=${view}&${text}`);
  $("#answer").classList.add("late");
  let found, isGood;
  try {
    const response = await fetch(`/api/${view}?${text}`);
    isGood = response.ok;
    found = await response.json();
  } catch {
    isGood = false;
    found = { errors: [{ field: "", message: "the server does not answer" }] };
  }
  if (own !== asked) return;
  $("#answer").classList.remove("late");
  tellProblems(isGood ? [] : found.errors);
  if (isGood) (view === "spend" ? showSpend : showRun)(found);
  for (const link of document.querySelectorAll("[data-file]")) link.href = `/download/${link.dataset.file}?${text}`;
}
function tellProblems(errors) {
  for (const each of document.querySelectorAll(".wrong")) each.textContent = "";
  for (const each of document.querySelectorAll("[aria-invalid]")) each.removeAttribute("aria-invalid");
  $("#problem").textContent = "";
  for (const { field, message } of errors) {
    const place = document.getElementById(`wrong-${field}`);
    (place || $("#problem")).textContent = message;
    for (const each of document.getElementsByName(field)) each.setAttribute("aria-invalid", "true");
  }
}

// Showing --------------------------------------------------------------------------------------

function show(headline, figures, charts, rows) {
  $("#headline").textContent = headline;
  $("#figures").replaceChildren(...figures.map(([name, row, write]) => {
    const value = row && row.p50 !== null ? write(row.p50) : "not known";
    const small = row && row.p50 !== null && row.p5 !== row.p95 ? between(row.p5, row.p95, write) : "";
    return element("div", {}, element("dt", {}, name), element("dd", {}, value, element("small", {}, small)));
  }));
  $("#charts").replaceChildren(...charts);
  const head = element("tr", {}, ...["", "p5", "p50", "p95"].map((name) => element("th", { scope: "col" }, name)));
  $("#table").replaceChildren(head, ...rows.filter(([, row]) => row && row.p50 !== null).map(([name, row, write]) => element("tr", {}, element("th", { scope: "row" }, name), ...["p5", "p50", "p95"].map((key) => element("td", {}, write(row[key]))))));
}
function showSpend(found) {
  const name = found.title;
  const headline = `Final training runs took ${interval(found.final_share, percent)} of R&D compute at ${name}; ${interval(found.exploration_usd, money)} went to experiments and all else.`;
  const sums = [["Final runs", found.final_runs_usd, money], ["Experiments and all else", found.exploration_usd, money], ["R&D compute, reported", found.rnd_compute_usd, money]];
  const runs = found.runs.map((run) => [run.name, run.cost_usd, money]);
  const dearest = [...runs].sort(([, one], [, other]) => other.p50 - one.p50).slice(0, MOST);
  const charts = [lines("In dollars", sums), tornado("How far each assumption moves the share", found.swings, percent), lines("The dearest runs", dearest)];
  show(headline, [["Share of final runs", found.final_share, percent], ...sums], charts, [["Share of final runs", found.final_share, percent], ...sums, ...runs]);
}
function showRun(found) {
  const days = found.days && found.days.p50 !== null ? `${interval(found.days, plain)} days, ` : "";
  const headline = `The run takes ${days}${interval(found.gpu_hours, count)} GPU-hours and ${interval(found.cost_usd, money)} of rented accelerators.`;
  const costs = [["Rented", found.cost_usd, money], ["Hardware used up + energy", found.cost_ways_usd.amortised, money], ["Buying the cluster", found.cost_ways_usd.upfront, money], ["The whole programme", found.programme_usd, money], ["  of it experiments and all else", found.exploration_usd, money]];
  const others = [["Training FLOP", found.flop.model, flop], ["Utilisation (MFU)", found.mfu, percent], ["GPU-hours", found.gpu_hours, count], ["Days", found.days, plain], ["Energy, MWh", found.energy_mwh, count]];
  const charts = [lines("What it costs", costs), tornado("How far each assumption moves the cost", found.swings, money)];
  show(headline, [others[2], others[3], ["Rented", found.cost_usd, money], ["The whole programme", found.programme_usd, money]], charts, [...others, ...costs]);
}

const LEFT = 270, RIGHT = 690, MARGIN = 150, HIGH = 30, LONGEST = 36, MOST = 10;
function picture(title, rows) {
  const svg = drawn("svg", { viewBox: `0 0 ${RIGHT + MARGIN} ${rows * HIGH + 12}`, role: "img", "aria-label": `${title}; the figures stand in the table` });
  return [svg, element("figure", {}, element("figcaption", {}, title), svg)];
}
function short(text) { return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text; }
function lines(title, all) {
  const rows = all.filter(([, row]) => row && row.p50 > 0);
  const [svg, figure] = picture(title, rows.length);
  const low = Math.min(...rows.map(([, row]) => row.p5)), high = Math.max(...rows.map(([, row]) => row.p95)) * 1.0001;
  const at = (value) => LEFT + ((RIGHT - LEFT) * Math.log(value / low)) / Math.log(high / low);
  rows.forEach(([name, row, write], index) => {
    const y = index * HIGH + 20;
    svg.append(drawn("text", { x: LEFT - 14, y: y + 4, "text-anchor": "end" }, short(name.trim())));
    svg.append(drawn("line", { x1: at(row.p5), x2: at(row.p95), y1: y, y2: y, class: "line" }));
    svg.append(drawn("circle", { cx: at(row.p50), cy: y, r: 5, class: "dot" }));
    svg.append(drawn("text", { x: RIGHT + 12, y: y + 4 }, write(row.p50)));
  });
  return figure;
}
function tornado(title, swings, write) {
  const rows = swings.slice(0, MOST);
  const [svg, figure] = picture(title, rows.length);
  const ends = rows.flatMap((row) => [row.p5, row.p95]);
  const low = Math.min(...ends), high = Math.max(...ends, low + 1e-12);
  const at = (value) => LEFT + ((RIGHT - LEFT) * (value - low)) / (high - low);
  rows.forEach((row, index) => {
    const y = index * HIGH + 10;
    svg.append(drawn("text", { x: LEFT - 14, y: y + 14, "text-anchor": "end" }, short(row.assumption)));
    for (const [end, kind] of [[row.p5, "low"], [row.p95, "high"]]) {
      const [from, to] = [at(Math.min(end, row.p50)), at(Math.max(end, row.p50))];
      svg.append(drawn("rect", { x: from, width: Math.max(1, to - from), y, height: 18, class: kind }));
    }
    svg.append(drawn("text", { x: RIGHT + 12, y: y + 14, class: "soft" }, between(Math.min(row.p5, row.p95), Math.max(row.p5, row.p95), write)));
  });
  return figure;
}

// Beginning ------------------------------------------------------------------------------------

function begin(from) {
  if (view === "spend") {
    const programme = from.programme || state.programme || Object.keys(options.programmes)[0];
    const known = Object.hasOwn(options.programmes, programme) ? options.programmes[programme] : { assumed: {} };
    state = { programme };
    for (const [name, ends] of Object.entries(known.assumed)) state[name] = `${plain(ends.p10)}..${plain(ends.p90)}`;
  } else {
    state = { ...RUN };
  }
  if (Object.keys(from).length > (from.programme ? 1 : 0)) state = { ...(view === "spend" ? state : {}), ...from };
  makeForm();
  answer();
}
async function start() {
  options = await (await fetch("/api/options")).json();
  const from = Object.fromEntries(new URLSearchParams(location.search));
  if (Object.hasOwn(FIELDS, from.view)) view = from.view;
  delete from.view;
  for (const button of document.querySelectorAll("nav button")) button.addEventListener("click", () => { view = button.dataset.view; state = {}; begin({}); });
  $("#form").addEventListener("submit", (event) => event.preventDefault());
  $("#share").addEventListener("click", async () => { await navigator.clipboard.writeText(location.href); $("#share").textContent = "Copied"; });
  begin(from);
}
start();
