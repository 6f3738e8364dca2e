"use strict";

// What is shown stands in the address, so that it can be kept and sent: camera, zone, kind, range, to, event.
const BINS = 288;
const RANGES = [3600, 21600, 86400, 604800, 2592000, 31536000];
const KINDS = {
  motion: "Motion", camera_state: "Camera", scene: "Scene", background_set: "Background set",
  background_frozen: "Background frozen", background_thawed: "Background thawed",
};
const find = (id) => document.getElementById(id);
const filters = find("filters");
const player = find("player");
const video = find("video");
let shown = { range: 86400 };
let span = { from: 0, to: 0 };
let events = [];
let next = null;
let question = 0; // answers to older ones are dropped
let cameras = {};
let pieces = [];

function readAddress() {
  const address = new URLSearchParams(location.search);
  const range = Number(address.get("range"));
  const to = Number(address.get("to"));
  shown = {
    camera: address.get("camera") || "", zone: address.get("zone") || "", kind: address.get("kind") || "",
    range: RANGES.includes(range) ? range : 86400, to: to > 0 && to < 1e11 ? to : null, event: address.get("event") || "",
  };
}

function writeAddress(push) {
  const address = new URLSearchParams();
  for (const key of ["camera", "zone", "kind", "to", "event"]) if (shown[key]) address.set(key, shown[key]);
  if (shown.range !== 86400) address.set("range", shown.range);
  const text = address.toString();
  history[push ? "pushState" : "replaceState"](null, "", text ? `/history?${text}` : "/history");
}

async function ask(path, values) {
  const asked = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined));
  const answer = await fetch(`/api/history/${path}?${asked}`);
  if (answer.status === 401) {
    location.reload();
    return new Promise(() => {});
  }
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error);
  return content;
}

function complain(text) {
  find("banner").hidden = !text;
  find("banner").textContent = text;
}

function change(values) {
  Object.assign(shown, values);
  writeAddress(true);
  show();
}

async function show() {
  const number = ++question;
  const to = shown.to ?? Date.now() / 1000;
  span = { from: to - shown.range, to };
  showControls();
  const { camera, zone, kind } = shown;
  const current = (act) => (answer) => { if (number === question) act(answer); };
  try {
    // Each is shown when it comes: a long timeline keeps no picture waiting.
    await Promise.all([
      ask("events", { camera, zone, kind, ...span }).then(current((list) => {
        events = [];
        find("cards").replaceChildren();
        showEvents(list);
      })),
      ask("past", { camera, zone, ...span, bins: BINS }).then(current((past) => showPast(past.cameras))),
    ]);
    if (number === question) complain("");
  } catch (error) {
    if (number === question) complain(error instanceof TypeError ? "No connection to edgefg." : error.message);
  }
}

async function showMore() {
  const number = question;
  const { camera, zone, kind } = shown;
  const before = find("cards").children.length;
  try {
    const list = await ask("events", { camera, zone, kind, ...span, after: next });
    if (number !== question) return;
    showEvents(list);
    find("cards").children[before]?.firstElementChild.focus();
  } catch (error) {
    complain(error.message);
  }
}

function showControls() {
  fill(filters.camera, "All cameras", Object.keys(cameras), shown.camera);
  const zones = shown.camera ? cameras[shown.camera] || [] : [...new Set(Object.values(cameras).flat())].sort();
  fill(filters.zone, "All zones", zones, shown.zone);
  filters.kind.value = shown.kind;
  filters.until.value = localInput(span.to);
  for (const button of find("ranges").children) button.setAttribute("aria-pressed", Number(button.dataset.range) === shown.range);
  find("later").disabled = find("now").disabled = shown.to === null;
  find("range-title").textContent = `${dateTime(span.from, false)} to ${dateTime(span.to, false)}`;
}

function fill(select, all, names, chosen) {
  const options = [...names];
  if (chosen && !options.includes(chosen)) options.push(chosen);
  select.replaceChildren(new Option(all, ""), ...options.map((name) => new Option(placeName(name), name)));
  select.value = chosen;
}

function showPast(pasts) {
  const rows = find("rows");
  rows.replaceChildren(...pasts.map((past) => {
    const row = find("row").content.firstElementChild.cloneNode(true);
    const strip = row.querySelector("canvas");
    row.querySelector(".row-name").textContent = past.camera;
    row.dataset.camera = past.camera;
    const seen = past.live.reduce((sum, [from, to]) => sum + to - from, 0) / (span.to - span.from);
    const motions = past.motions.reduce((sum, count) => sum + count, 0);
    strip.setAttribute("aria-label", `${past.camera}: ${motions} motions, camera there ${Math.round(seen * 100)}% of this time`);
    strip.onclick = (click) => zoom(1, span.from + (click.offsetX / strip.clientWidth) * (span.to - span.from));
    strip.past = past;
    return row;
  }));
  drawStrips();
  const marks = Array.from({ length: 7 }, (_, place) => {
    const mark = document.createElement("span");
    mark.textContent = axisTime(span.from + ((span.to - span.from) * place) / 6);
    mark.style.left = `${(place / 6) * 100}%`;
    return mark;
  });
  find("axis").replaceChildren(...(innerWidth > 700 ? marks : marks.filter((_, place) => place % 3 === 0)));
}

function drawStrips() {
  const colours = getComputedStyle(document.documentElement);
  const colour = (name) => colours.getPropertyValue(name);
  for (const strip of document.querySelectorAll(".row canvas")) {
    const { motions, moving_s: moving, others, live } = strip.past;
    const scale = devicePixelRatio || 1;
    strip.width = strip.clientWidth * scale;
    strip.height = 40 * scale;
    const pen = strip.getContext("2d");
    pen.scale(scale, scale);
    const width = strip.clientWidth;
    const place = (at) => ((at - span.from) / (span.to - span.from)) * width;
    pen.fillStyle = colour("--away");
    pen.fillRect(0, 34, place(Math.min(span.to, Date.now() / 1000)), 6);
    pen.fillStyle = colour("--there");
    for (const [from, to] of live) pen.fillRect(place(from), 0, Math.max(0.5, place(to) - place(from)), 40);
    const step = width / motions.length;
    const most = (span.to - span.from) / motions.length;
    motions.forEach((count, index) => {
      if (count) {
        // By the root, so that a short motion is seen beside an hour of it.
        const height = 5 + 23 * Math.sqrt(Math.min(1, moving[index] / most));
        pen.fillStyle = colour("--warn");
        pen.fillRect(index * step, 33 - height, Math.max(1.5, step), height);
      }
      if (others[index]) {
        pen.fillStyle = colour("--mark");
        pen.fillRect(index * step, 34, Math.max(2.5, step), 6);
      }
    });
  }
}

function showEvents(list) {
  for (const event of list.events) find("cards").append(cardOf(event, events.push(event) - 1));
  next = list.next;
  find("more").hidden = next === null;
  find("none").hidden = events.length > 0;
  find("list-title").textContent = `${events.length}${next === null ? "" : " newest"} ${events.length === 1 ? "event" : "events"}`;
}

function cardOf(event, index) {
  const item = find("card").content.firstElementChild.cloneNode(true);
  const part = (selector) => item.querySelector(selector);
  const picture = part("img");
  if (event.snapshot) picture.src = clipAddress(event.snapshot);
  else picture.remove();
  picture.onerror = () => picture.remove();
  part(".no-thumb").textContent = event.snapshot ? "" : event.kind === "motion" ? "no picture" : KINDS[event.kind] || event.kind;
  part(".what").textContent = titleOf(event);
  part("time").textContent = dateTime(event.at_s);
  part("time").dateTime = event.time;
  part(".more-words").textContent = wordsOf(event).join(" · ");
  part("button").onclick = () => open(event);
  part("button").dataset.index = index;
  item.dataset.id = event.id;
  return item;
}

function titleOf(event) {
  if (event.kind === "motion") return `${event.camera}: motion${event.zone && event.zone !== "frame" ? ` in ${event.zone}` : ""}`;
  return `${event.camera}: ${event.state || event.scene || KINDS[event.kind] || event.kind}`;
}

function wordsOf(event) {
  const words = [];
  if (event.duration_s !== undefined) words.push(duration(event.duration_s));
  else if (event.kind === "motion") words.push("still lasts");
  if (event.area) words.push(`${(event.area * 100).toFixed(1)}% of the picture`);
  if (event.frozen_feed) words.push("the same picture again and again");
  if (event.action) words.push(event.action);
  if (event.reason && event.reason !== "quiet") words.push(event.reason);
  return words;
}

function open(event) {
  shown.event = event.id;
  writeAddress(false);
  find("player-title").textContent = titleOf(event);
  pieces = [...event.clips];
  video.hidden = pieces.length === 0;
  find("still").hidden = pieces.length > 0 || !event.snapshot;
  find("still").src = event.snapshot ? clipAddress(event.snapshot) : "";
  find("still").alt = titleOf(event);
  find("player-note").textContent = event.kind !== "motion" || pieces.length ? "" : event.duration_s === undefined
    ? "Its clip is complete once the motion is over." : "There is no clip of it, or it has been removed to make room.";
  const facts = { Time: new Date(event.at_s * 1000).toLocaleString(), Camera: event.camera, Zone: placeName(event.zone), Details: wordsOf(event).join(" · ") };
  find("player-facts").replaceChildren(...Object.entries(facts).filter(([, value]) => value).flatMap(([name, value]) => {
    const term = document.createElement("dt");
    term.textContent = name;
    const text = document.createElement("dd");
    text.textContent = value;
    return [term, text];
  }));
  if (!player.open) player.showModal();
  playNext();
}

function playNext() {
  const piece = pieces.shift();
  if (!piece) return;
  video.src = clipAddress(piece);
  video.play().catch(() => {}); // where a browser starts none by itself, there is a button
}

function step(by) {
  const place = events.findIndex((event) => event.id === shown.event);
  const other = place < 0 ? undefined : events[place + by];
  if (other) open(other);
}

function zoom(by, middle) {
  const range = RANGES[Math.min(RANGES.length - 1, Math.max(0, RANGES.indexOf(shown.range) - by))];
  const to = Math.round((middle ?? (span.from + span.to) / 2) + range / 2);
  change({ range, to: to >= Date.now() / 1000 ? null : to });
}

function move(by) {
  const to = Math.round(span.to + by * shown.range);
  change({ to: to >= Date.now() / 1000 ? null : to });
}

const clipAddress = (name) => `/clips/${encodeURIComponent(name)}`;
const placeName = (name) => (name === "frame" ? "whole picture" : name);

function dateTime(at, exact = shown.range <= 86400) {
  return new Date(at * 1000).toLocaleString([], { weekday: "short", day: "numeric", month: "short", year: shown.range > 6e6 ? "numeric" : undefined, hour: "2-digit", minute: "2-digit", second: exact ? "2-digit" : undefined });
}

function axisTime(at) {
  const date = new Date(at * 1000);
  if (shown.range <= 86400) return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return date.toLocaleDateString([], shown.range > 6e6 ? { month: "short", year: "numeric" } : { day: "numeric", month: "short" });
}

function localInput(at) {
  const date = new Date(at * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

function duration(seconds) {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  return seconds < 3600 ? `${Math.floor(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

// The columns of the grid, from where its cards lie.
function columns() {
  const cards = [...find("cards").children];
  const first = cards[0]?.offsetTop;
  return Math.max(1, cards.findIndex((card) => card.offsetTop !== first) === -1 ? cards.length : cards.findIndex((card) => card.offsetTop !== first));
}

function moveFocus(by) {
  const cards = [...document.querySelectorAll(".card")];
  const place = cards.indexOf(document.activeElement);
  const target = cards[place < 0 ? 0 : place + by];
  target?.focus();
  target?.scrollIntoView({ block: "nearest" });
}

filters.onsubmit = (event) => event.preventDefault();
filters.onchange = ({ target }) => {
  if (target.name === "until") {
    const to = new Date(target.value).getTime() / 1000;
    return change({ to: to > 0 && to < Date.now() / 1000 ? to : null });
  }
  return change(target.name === "camera" ? { camera: target.value, zone: "" } : { [target.name]: target.value });
};
find("ranges").onclick = ({ target }) => { if (target.dataset.range) change({ range: Number(target.dataset.range) }); };
find("earlier").onclick = () => move(-1);
find("later").onclick = () => move(1);
find("now").onclick = () => change({ to: null });
find("more").onclick = showMore;
find("newer").onclick = () => step(-1);
find("older").onclick = () => step(1);
find("close").onclick = () => player.close();
video.onended = playNext;
player.onclose = () => {
  video.removeAttribute("src");
  video.load();
  const id = shown.event;
  shown.event = "";
  writeAddress(false);
  [...find("cards").children].find((item) => item.dataset.id === id)?.firstElementChild.focus();
};
player.onclick = ({ target }) => { if (target === player) player.close(); };
document.onkeydown = (event) => {
  if (event.target.matches("select, input, video") || event.ctrlKey || event.metaKey || event.altKey) return;
  const inPlayer = { ArrowLeft: () => step(-1), ArrowRight: () => step(1) };
  const outside = {
    ",": () => move(-1), ".": () => move(1), n: () => change({ to: null }), "+": () => zoom(1), "-": () => zoom(-1),
    ArrowRight: () => moveFocus(1), ArrowLeft: () => moveFocus(-1), ArrowDown: () => moveFocus(columns()), ArrowUp: () => moveFocus(-columns()),
  };
  const act = (player.open ? inPlayer : outside)[event.key];
  if (!act) return;
  event.preventDefault();
  act();
};
addEventListener("resize", drawStrips);
matchMedia("(prefers-color-scheme: light)").addEventListener("change", drawStrips);
addEventListener("popstate", () => { readAddress(); show(); });
setInterval(() => {
  const busy = player.open || shown.to !== null || scrollY > 0 || document.hidden || document.activeElement?.closest(".cards, .filters, .row");
  if (!busy) show();
}, 30000);

async function begin() {
  readAddress();
  const wanted = shown.event;
  const listing = ask("cameras", {}).then((answer) => { cameras = answer.cameras; showControls(); }).catch(() => {});
  await Promise.all([show(), listing]);
  if (wanted) ask(`events/${encodeURIComponent(wanted)}`, {}).then(open, (error) => complain(error.message));
}

begin();
