"use strict";
// Sliders, what the server says of them, and its charts. No figure is computed or put into words
// here: where sliders stop, what they read and what is drawn are the server's.

const RUN = { accelerator: "h100-sxm", params: "70B", tokens: "15T", count: "2048", final_share: "10%..25%" };
const FIELDS = {
  spend: {
    programme: { label: "Company" },
    mfu: { label: "Utilisation (MFU)" },
    price: { label: "Price, USD an hour" },
    rnd_compute: { label: "R&D compute, USD" },
  },
  run: {
    accelerator: { label: "Accelerator" },
    params: { label: "Parameters" },
    params_active: { label: "Active parameters" },
    tokens: { label: "Tokens" },
    count: { label: "Accelerators" },
    mfu: { label: "Utilisation (MFU)", isWide: true },
    price: { label: "Price, USD an hour", isWide: true },
    final_share: { label: "Share of its programme", isWide: true },
    date: { label: "Day of the prices, 2025-06-30", isText: true },
  },
  organisations: {
    grade: { label: "Grades side by side" },
    opened: { label: "Opened, with its grade" },
    methods: { label: "Its share by method" },
  },
  ledger: {
    records: { label: "Records" },
  },
};
const CHOICES = ["programme", "accelerator", "grade", "opened", "methods", "records"];
const REST_MS = 400;
const [FIRST_WAIT_MS, LONGEST_WAIT_MS] = [1000, 30000]; // before a server that is gone is asked again
const $ = (selector) => document.querySelector(selector);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
let options = null;
let view = "spend";
let programme = "";
const states = { run: { ...RUN } };
const kept = {}; // intervals that became one number, by state and field
let answered = ""; // the question of the last good answer
let parts = {}; // of the form, by field
let placed = {}; // where sliders stood at the last answer

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
// What is given: texts, as the server reads them; a company's only where they were moved --------

const hasRecords = () => Object.keys(options.records).length > 0;
const keyOf = () => (view === "spend" ? `of ${programme}` : view);
function state() {
  return (states[keyOf()] ??= {});
}
function keptOf() {
  return (kept[keyOf()] ??= {});
}
function sliders() {
  if (view === "run") return options.run;
  if (view === "organisations" || view === "ledger") return {};
  return Object.hasOwn(options.programmes, programme) ? options.programmes[programme].fields : {};
}
function ends(name) {
  const given = state()[name];
  if (!given) return [...(sliders()[name].texts || ["", ""])];
  const cut = given.indexOf("..");
  return cut < 0 ? [given, given] : [given.slice(0, cut), given.slice(cut + 2)];
}
// Takes what the boxes hold, one of them anew; where one is empty, the other stands alone.
function give(name, index, text) {
  const { isWide, rows } = parts[name];
  rows[index].typed.value = text;
  const both = rows.map(({ typed }) => typed.value.trim());
  const isInterval = isWide && !text.includes("..") && both[0] && both[1] && both[0] !== both[1];
  const given = isInterval ? both.join("..") : both[index] || both[1 - index] || "";
  if (given) state()[name] = given;
  else delete state()[name];
  const unmoved = sliders()[name].texts;
  if (unmoved && given === [...new Set(unmoved)].join("..")) delete state()[name];
}
function query() {
  const chosen = view === "spend" ? { programme, ...state() } : state();
  return new URLSearchParams(Object.entries(chosen).filter(([, text]) => text));
}

// The form -------------------------------------------------------------------------------------

function makeForm() {
  parts = {};
  $("#left-out").textContent = "";
  const names = Object.keys(FIELDS[view]).filter((name) => CHOICES.includes(name) || FIELDS[view][name].isText || sliders()[name]);
  $("#fields").replaceChildren(...names.map(makeField));
  for (const button of document.querySelectorAll("nav button")) button.setAttribute("aria-pressed", String(button.dataset.view === view));
}
function makeField(name) {
  const { label, isText } = FIELDS[view][name];
  const told = `wrong-${name}`;
  const set = element("div", { class: "field", role: "group", "aria-label": label });
  if (CHOICES.includes(name)) set.append(element("b", {}, label), makeChoice(name, label, told));
  else if (isText) set.append(element("b", {}, label), makeText(name, label, told));
  else set.append(...makeSliders(name, label, told));
  set.append(element("p", { class: "note", id: `note-${name}` }), element("p", { class: "wrong", id: told, role: "alert" }));
  return set;
}
function makeChoice(name, label, told) {
  const all = name === "programme" ? Object.entries(options.programmes).map(([key, each]) => [key, each.title]) : Object.entries({ accelerator: options.accelerators, records: options.records }[name] || options.organisations[name]);
  const chosen = name === "programme" ? programme : state()[name] || "";
  if (!all.some(([key]) => key === chosen)) all.unshift([chosen, chosen ? `${chosen} (not known)` : "choose one"]);
  const select = element("select", { name, "aria-label": label, "aria-describedby": told }, ...all.map(([value, title]) => element("option", { value }, title)));
  select.value = chosen;
  select.addEventListener("change", () => {
    if (name === "programme") go(view, select.value);
    else { state()[name] = select.value; ask(); }
  });
  return select;
}
function makeText(name, label, told) {
  const typed = element("input", { type: "text", name, "aria-label": label, "aria-describedby": `${told} note-${name}` });
  typed.value = state()[name] || "";
  typed.addEventListener("input", () => { state()[name] = typed.value.trim(); write(); ask(); });
  return typed;
}
function makeSliders(name, label, told) {
  const given = state()[name];
  const unmoved = sliders()[name].texts;
  const isWide = given ? given.includes("..") : unmoved ? unmoved[0] !== unmoved[1] : Boolean(FIELDS[view][name].isWide);
  return rowsOf(name, label, told, isWide);
}
function rowsOf(name, label, told, isWide) {
  const part = { isWide, rows: [], reading: element("output", { class: "reading" }) };
  parts[name] = part;
  const toggle = element("button", { type: "button", class: "toggle", "aria-label": `${label}: an interval`, "aria-pressed": String(isWide) }, "interval");
  const head = element("div", { class: "head" }, element("b", {}, label), part.reading, toggle);
  const rows = (isWide ? ["p10", "p90"] : [""]).map((end, index) => makeRow(name, index, end, label, told));
  toggle.addEventListener("click", async () => {
    toggle.disabled = true;
    while (isBusy) await pause(10); // the median is of the newest state
    if (!head.isConnected) return;
    if (isWide) becomeOne(name);
    else becomeInterval(name);
    head.replaceWith(...rowsOf(name, label, told, !isWide));
    for (const row of rows) row.remove();
    $(`button[aria-label="${label}: an interval"]`).focus();
    fresh();
    ask();
  });
  refresh(name);
  return [head, ...rows];
}
// One number in place of an interval is its median, as the server has it.
function becomeOne(name) {
  const given = state()[name];
  const told = answered === query().toString() && (placed[name] || sliders()[name]);
  const one = (told && told.median) || ends(name)[0];
  parts[name].isWide = false;
  give(name, 0, one);
  keptOf()[name] = { given, one };
}
// An interval that became one number, and was not moved since, is itself again.
function becomeInterval(name) {
  const before = keptOf()[name];
  if (!before || before.one !== state()[name]) return;
  if (before.given) state()[name] = before.given;
  else delete state()[name];
}
function makeRow(name, index, end, label, told) {
  const full = end ? `${label}, ${end}` : label;
  const { stops } = sliders()[name];
  const { places } = placed[name] || sliders()[name];
  const typed = element("input", { type: "text", name, "aria-label": full, "aria-describedby": `${told} note-${name}` });
  const slider = element("input", { type: "range", min: "0", max: String(stops.length - 1), "aria-label": `${full}, slider` });
  slider.value = String(places ? places[index] : stops.length / 2);
  parts[name].rows.push({ typed, slider });
  slider.addEventListener("input", () => slide(name, index, slider));
  slider.addEventListener("change", write);
  // Typed is in the address at once: whoever loads the page again soon still has it.
  typed.addEventListener("input", () => { give(name, index, typed.value); write(); ask(); });
  typed.addEventListener("change", () => {
    if (!parts[name].isWide && typed.value.includes("..")) makeForm();
    // Who empties both ends of an interval begins with one.
    else if (typed.value.trim() || !state()[name]) refresh(name);
  });
  return element("div", { class: "row" }, element("label", {}, end), slider, typed);
}
function slide(name, index, slider) {
  const text = sliders()[name].stops[Number(slider.value)];
  const other = parts[name].rows[1 - index];
  const isEmpty = other && !other.typed.value.trim();
  give(name, index, text);
  // One end takes the other with it.
  if (other && (isEmpty || Number(other.slider.value) < Number(slider.value) === (index === 0))) {
    other.slider.value = slider.value;
    give(name, 1 - index, text);
  }
  takeAlong(name);
  refresh(name);
  ask();
}
// There are no more active parameters than all: both have the same stops.
function takeAlong(name) {
  const other = { params: "params_active", params_active: "params" }[name];
  if (!other || !state()[other] || !state()[name]) return;
  parts[name].rows.forEach(({ slider }, index) => {
    parts[other].rows.forEach((row, place) => {
      const [mine, its] = [Number(slider.value), Number(row.slider.value)];
      if (parts[name].rows.length === parts[other].rows.length && index !== place) return;
      if (name === "params" ? its <= mine : its >= mine) return;
      row.slider.value = slider.value;
      give(other, place, sliders()[other].stops[mine]);
    });
  });
  refresh(other);
}
function refresh(name) {
  const both = ends(name);
  parts[name].rows.forEach(({ typed, slider }, index) => {
    typed.value = parts[name].isWide ? both[index] : state()[name] || both[0];
    slider.classList.toggle("empty", !both[index]);
    slider.setAttribute("aria-valuetext", both[index] || "empty");
  });
}
function placeSliders(fields, assumed = {}) {
  placed = fields;
  for (const note of document.querySelectorAll(".field .note")) note.textContent = assumed[note.id.slice("note-".length)] || "";
  for (const [name, { rows, reading }] of Object.entries(parts)) {
    reading.textContent = fields[name] ? fields[name].text : "";
    rows.forEach(({ slider }, index) => {
      if (fields[name] && document.activeElement !== slider) slider.value = String(fields[name].places[index]);
      slider.classList.toggle("empty", !fields[name]);
    });
  }
}

// Addresses: each state has one, and Back returns to it ------------------------------------------

let isNew = false;
let writing = null;
function write() {
  clearTimeout(writing);
  const address = `?view=${view}&${query()}`;
  if (address === location.search) return;
  try {
    if (isNew) history.pushState(null, "", address);
    else history.replaceState(null, "", address);
    isNew = false;
  } catch { /* a browser that counts them: the next one is written */ }
}
// A movement that comes after a rest has an entry of its own.
function fresh() {
  write();
  isNew = true;
}
function go(toView, toProgramme) {
  fresh();
  view = toView;
  programme = toProgramme;
  placed = {};
  makeForm();
  fresh();
  ask();
}
function read() {
  const from = Object.fromEntries(new URLSearchParams(location.search));
  // Who names records on the command line asks what they tell.
  const isAsked = Object.keys(from).length > 0 || !hasRecords();
  view = Object.hasOwn(FIELDS, from.view) && (from.view !== "ledger" || hasRecords()) ? from.view : isAsked ? "spend" : "ledger";
  programme = (view === "spend" && from.programme) || programme || Object.keys(options.programmes)[0];
  const names = Object.keys(FIELDS[view]).filter((name) => name in from && name !== "programme");
  const given = Object.fromEntries(names.map((name) => [name, from[name]]));
  const isKnown = view !== "spend" || Object.hasOwn(options.programmes, programme);
  const isMoved = (name) => CHOICES.includes(name) || FIELDS[view][name]?.isText || Boolean(sliders()[name]);
  const leftOut = isKnown ? Object.keys(from).filter((name) => name !== "view" && !isMoved(name)) : [];
  for (const name of leftOut) delete given[name];
  if (view === "spend") states[`of ${programme}`] = given;
  else if (names.length) states[view] = { ...options.begin[view], ...given };
  makeForm();
  if (leftOut.length) $("#left-out").textContent = `Left out of the address, as it is not moved here: ${leftOut.join(", ")}.`;
  ask();
}

// Asking: one question at a time, the newest state next -------------------------------------------

let isBusy = false;
let isWaiting = false;
let trying = null;
let patience = FIRST_WAIT_MS;
async function ask() {
  isWaiting = true;
  $("main").classList.add("late");
  clearTimeout(writing);
  writing = setTimeout(fresh, REST_MS);
  if (isBusy) return;
  isBusy = true;
  while (isWaiting) {
    isWaiting = false;
    await answer();
    await pause(options.pause_ms);
  }
  isBusy = false;
}
async function answer() {
  const text = query().toString();
  const [own, of] = [view, programme];
  const response = await asked(`/api/${view}?${text}`);
  const found = response ? await response.json().catch(() => null) : null;
  if (view !== own || programme !== of || (isWaiting && isBusyAnswer(response))) return;
  const isGood = Boolean(response && response.ok && found);
  tellProblems(isGood ? [] : (found && found.errors) || [{ field: "", message: "The server does not answer; is it still running?" }]);
  clearTimeout(trying);
  if (!response) tryAgain(ask);
  if (!isGood) return;
  patience = FIRST_WAIT_MS;
  answered = text;
  show(found.shown);
  if (!isWaiting) $("main").classList.remove("late");
  for (const link of document.querySelectorAll("[data-file]")) {
    link.hidden = ["organisations", "ledger"].includes(view); // of these the command writes files
    link.href = `/download/${link.dataset.file}?${text}`;
  }
}
// Asks again after a growing pause, or when told to.
function tryAgain(what) {
  const again = element("button", { type: "button", id: "again" }, "Try again");
  again.addEventListener("click", () => { clearTimeout(trying); what(); });
  $("#problem").append(again);
  trying = setTimeout(what, patience);
  patience = Math.min(2 * patience, LONGEST_WAIT_MS);
}
// A server that is busy says for how long; an answer to no question is null.
async function asked(address) {
  for (;;) {
    const response = await fetch(address).catch(() => null);
    if (!isBusyAnswer(response) || isWaiting) return response;
    await pause(1000 * Number(response.headers.get("Retry-After") || 1));
    if (isWaiting) return response;
  }
}
function isBusyAnswer(response) {
  return Boolean(response) && [429, 503].includes(response.status);
}
function tellProblems(errors) {
  for (const each of document.querySelectorAll(".wrong")) each.textContent = "";
  for (const each of document.querySelectorAll("[aria-invalid]")) each.removeAttribute("aria-invalid");
  $("#problem").textContent = "";
  $("#stale").hidden = !errors.length || !$("#figures").children.length;
  for (const { field, message } of errors) {
    const place = document.getElementById(`wrong-${field}`);
    (place || $("#problem")).textContent = place || !field ? message : `${field}: ${message}`;
    for (const each of document.getElementsByName(field)) each.setAttribute("aria-invalid", "true");
  }
}

// Showing --------------------------------------------------------------------------------------

function show({ title, headline, notes, figures, charts: pictures, table, fields, assumed }) {
  $("#answer").classList.remove("empty");
  document.title = `${title} - computebill`;
  $("#headline").textContent = headline;
  $("#notes").replaceChildren(...notes.map((note) => element("li", {}, note)));
  $("#figures").replaceChildren(...figures.map(({ label, value, interval }) => element("div", {}, element("dt", {}, label), element("dd", {}, value, element("small", {}, interval)))));
  showCharts(pictures);
  const heads = (first) => element("tr", {}, ...[first, "p5", "p50", "p95"].map((text) => element("th", { scope: "col" }, text)));
  $("#table").replaceChildren(...table.map(({ title, rows }) => element("tbody", {}, heads(title), ...rows.map(([name, ...cells]) => element("tr", {}, element("th", { scope: "row" }, name), ...cells.map((cell) => element("td", {}, cell)))))));
  placeSliders(fields, assumed);
}
// One after the other, of the newest answer; a picture that has its shape still is only moved.
let drawing = Promise.resolve();
let newest = [];
function showCharts(given) {
  newest = given;
  const place = $("#charts");
  while (place.children.length > given.length) place.lastChild.remove();
  while (place.children.length < given.length) place.append(element("figure", {}, element("figcaption"), element("p", { class: "note" }), element("div", { class: "chart" })));
  given.forEach(({ title, says }, index) => {
    const [caption, note] = place.children[index].children;
    caption.textContent = title;
    note.textContent = says;
  });
  drawing = drawing.then(() => newest === given && drawAll(given));
}
async function drawAll(given) {
  const options_of = { actions: false, defaultStyle: false, tooltip: { disableDefaultStyle: true, theme: "page" } };
  for (const [index, chart] of given.entries()) {
    const box = $("#charts").children[index].lastChild;
    try {
      await charts.show(box, chart, options.look, options_of);
    } catch (error) {
      box.textContent = "This chart cannot be drawn; its figures are in the table.";
      console.error(error);
    }
  }
}

// Files: fetched, so that a refusal is read --------------------------------------------------------

async function download(event) {
  const link = event.currentTarget;
  event.preventDefault();
  if (!link.href || link.getAttribute("aria-busy")) return;
  link.setAttribute("aria-busy", "true");
  $("#refused").textContent = "";
  const response = await fetch(link.href).catch(() => null);
  link.removeAttribute("aria-busy");
  if (!response || !response.ok) {
    const found = response ? await response.json().catch(() => null) : null;
    $("#refused").textContent = `${link.textContent}: ${found ? found.errors[0].message : "the server does not answer"}`;
    return;
  }
  const [, name] = /filename="([^"]*)"/.exec(response.headers.get("Content-Disposition"));
  const address = URL.createObjectURL(await response.blob());
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
async function copy() {
  write();
  const button = $("#share");
  const text = button.textContent;
  const isCopied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
  button.textContent = isCopied ? "Copied" : "Copy it from the address bar";
  await pause(2000);
  button.textContent = text;
}
async function start() {
  const response = await fetch("/api/options").catch(() => null);
  if (!response || !response.ok) {
    $("#problem").textContent = "The server does not say what there is to choose from; is it still running?";
    tryAgain(start);
    return;
  }
  $("#problem").textContent = "";
  patience = FIRST_WAIT_MS;
  options = await response.json();
  Object.assign(states, { organisations: { ...options.begin.organisations }, ledger: { ...options.begin.ledger } });
  $("[data-view=ledger]").hidden = !hasRecords();
  for (const button of document.querySelectorAll("nav button")) button.addEventListener("click", () => go(button.dataset.view, programme));
  for (const link of document.querySelectorAll("[data-file]")) link.addEventListener("click", download);
  $("#form").addEventListener("submit", (event) => event.preventDefault());
  $("#share").addEventListener("click", copy);
  addEventListener("pagehide", write);
  const details = $("details");
  let wasOpen = false;
  addEventListener("beforeprint", () => { wasOpen = details.open; details.open = true; });
  addEventListener("afterprint", () => { details.open = wasOpen; });
  addEventListener("popstate", () => { clearTimeout(writing); isNew = false; read(); });
  read();
}
start();
