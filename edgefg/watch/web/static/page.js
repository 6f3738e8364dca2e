"use strict";

// Ages: the server says how old a frame was when it sent it; from there this page's own clock goes on.
const MOST_EVENTS = 200;
const STRIP_STEPS = 240; // half a second each
const tiles = new Map();
const find = (id) => document.getElementById(id);
let socket = null;
let lastWord = 0;
let pause = 500;
let big = null;

function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => { pause = 500; sendViews(); };
  socket.onmessage = ({ data }) => {
    lastWord = performance.now();
    if (typeof data !== "string") return showPicture(data);
    const message = JSON.parse(data);
    if (message.status) showStatus(message.status);
    if (message.event) showEvent(message.event);
  };
  let opened = false;
  socket.addEventListener("open", () => { opened = true; });
  socket.onclose = async () => {
    // Refused: after a new start the cookie is another. The page itself asks for the token.
    if (!opened && (await fetch("/api/status").catch(() => null))?.status === 401) return location.reload();
    setTimeout(connect, pause);
    pause = Math.min(pause * 2, 10000);
  };
}

function sendViews() {
  if (!socket || socket.readyState !== WebSocket.OPEN) return;
  const views = {};
  for (const [name, tile] of tiles) if (!big || big === name) views[name] = tile.view;
  socket.send(JSON.stringify({ views }));
}

async function showPicture(data) {
  const length = new DataView(data).getUint32(0);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  const received = performance.now();
  const tile = tiles.get(header.camera);
  try {
    const image = await createImageBitmap(new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }));
    // Pictures are unpacked side by side: an older one must not replace a newer one.
    if (tile && header.view === tile.view && (header.number >= tile.number || header.view === "background")) {
      const { screen } = tile;
      if (screen.width !== image.width || screen.height !== image.height) {
        screen.width = image.width;
        screen.height = image.height;
      }
      screen.getContext("2d").drawImage(image, 0, 0);
      tile.number = header.number;
      tile.taken = received - header.age_ms;
      screen.dataset.number = header.number;
    }
    image.close();
  } finally {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ seen: header.camera }));
  }
}

function addTile(camera) {
  const node = find("tile").content.firstElementChild.cloneNode(true);
  const part = (selector) => node.querySelector(selector);
  const tile = {
    node, part, view: currentView(), number: 0, taken: -Infinity, drawn: -Infinity, past: [], screen: part(".screen canvas"),
  };
  part(".name").textContent = camera.name;
  part(".name").onclick = () => enlarge(big === camera.name ? null : camera.name);
  part(".view").value = tile.view;
  part(".view").onchange = (event) => setView(tile, event.target.value);
  part(".set").onclick = (event) => act(camera.name, "background", event.target);
  part(".freeze").onclick = (event) => act(camera.name, tile.frozen ? "thaw" : "freeze", event.target);
  for (const zone of camera.zones) {
    const chip = document.createElement("span");
    chip.textContent = zone === "frame" ? "whole picture" : zone;
    chip.dataset.zone = zone;
    part(".zones").append(chip);
  }
  node.dataset.camera = camera.name;
  tiles.set(camera.name, tile);
  find("grid").append(node);
}

function setView(tile, view) {
  tile.view = view;
  tile.number = 0;
  tile.part(".view").value = view;
  sendViews();
}

function currentView() {
  return document.querySelector("#views [aria-pressed=true]").dataset.view;
}

function setAllViews(view) {
  for (const button of find("views").children) button.setAttribute("aria-pressed", button.dataset.view === view);
  for (const tile of tiles.values()) {
    tile.view = view;
    tile.number = 0;
    tile.part(".view").value = view;
  }
  sendViews();
}

function enlarge(name) {
  big = name;
  find("grid").classList.toggle("one", big !== null);
  for (const [other, tile] of tiles) tile.node.classList.toggle("big", other === big);
  sendViews();
}

async function act(camera, action, button) {
  const before = button.textContent;
  button.disabled = true;
  let said = "Done";
  try {
    const answer = await fetch(`/api/cameras/${encodeURIComponent(camera)}/${action}`, { method: "POST" });
    if (!answer.ok) {
      said = "Refused";
      const type = answer.headers.get("content-type") || "";
      button.title = type.includes("json") ? (await answer.json()).error : await answer.text();
    }
  } catch {
    said = "No answer";
  }
  button.textContent = said;
  button.classList.add(said === "Done" ? "said" : "refused");
  setTimeout(() => {
    button.textContent = before;
    button.classList.remove("said", "refused");
    button.disabled = false;
  }, 1200);
}

function showStatus(status) {
  const now = performance.now();
  const health = find("health");
  health.className = `health ${status.health}`;
  health.querySelector("b").textContent = { ok: "all live", degraded: "some cameras away", failing: "no camera live" }[status.health];
  const viewers = status.viewers === 1 ? "1 viewer" : `${status.viewers} viewers`;
  find("facts").textContent = `${status.networks} · up ${duration(status.uptime_s)} · ${viewers}`;
  const problems = status.outputs.filter((output) => output.problem).map((output) => output.problem);
  find("history").hidden = !status.outputs.some((output) => output.name === "store");
  if (status.problem) problems.unshift(status.problem);
  find("banner").dataset.problems = problems.join(" · ");
  const count = tiles.size;
  for (const camera of status.cameras) {
    if (!tiles.has(camera.name)) addTile(camera);
    updateTile(tiles.get(camera.name), camera, now);
  }
  if (tiles.size !== count) sendViews();
}

function updateTile(tile, camera, now) {
  const { node, part } = tile;
  const moving = camera.motion.length > 0;
  for (const state of ["connecting", "live", "stalled", "reconnecting", "ended"]) node.classList.toggle(state, camera.state === state);
  node.classList.toggle("moving", moving);
  part(".state").textContent = camera.frozen_feed ? "live, but the same picture" : camera.state;
  tile.state = camera.state;
  tile.error = camera.error;
  tile.newest = camera.newest_age_ms === null ? -Infinity : now - camera.newest_age_ms;
  tile.age = camera.age_ms;
  tile.maxAge = camera.max_age_ms;
  part(".fps").textContent = camera.fps.toFixed(1);
  part(".latency").textContent = camera.frames ? milliseconds(camera.latency_ms) : "–";
  const { camera: unread, pipeline, stale } = camera.dropped;
  part(".drops").textContent = (unread + pipeline + stale).toLocaleString("en");
  part(".drops").title = `${unread} replaced by a newer one before they were read, ${pipeline} before work, ${stale} too old`;
  const back = camera.background;
  part(".back").textContent = back.id ? `#${back.id} · ${duration(back.age_s)}${back.frozen ? " · frozen" : ""}` : "none yet";
  tile.frozen = back.frozen;
  part(".freeze").hidden = !back.can_freeze;
  if (!part(".freeze").disabled) part(".freeze").textContent = back.frozen ? "Thaw" : "Freeze";
  for (const chip of part(".zones").children) chip.classList.toggle("on", camera.motion.includes(chip.dataset.zone));
  tile.past.push(moving ? 2 : camera.state === "live" ? 1 : 0);
  if (tile.past.length > STRIP_STEPS) tile.past.shift();
  drawStrip(part(".strip"), tile.past);
}

function drawStrip(strip, past) {
  strip.width = strip.clientWidth || 380;
  const pen = strip.getContext("2d");
  const step = strip.width / STRIP_STEPS;
  const colours = ["#4a2421", "#1d2a33", "#f0a63a"];
  past.forEach((level, index) => {
    pen.fillStyle = colours[level];
    const height = level === 2 ? strip.height : strip.height / 3;
    pen.fillRect((STRIP_STEPS - past.length + index) * step, strip.height - height, step + 0.5, height);
  });
}

function showEvent(event) {
  const item = document.createElement("li");
  item.className = event.kind;
  const time = document.createElement("time");
  time.textContent = new Date(event.time).toLocaleTimeString("en-GB");
  time.dateTime = event.time;
  const title = document.createElement("b");
  const names = {
    motion_started: "motion", motion_ended: "motion over", background_set: "background set",
    background_frozen: "background frozen", background_thawed: "background thawed",
  };
  title.textContent = `${event.camera}: ${names[event.kind] || event.state || event.scene || event.kind}`;
  const more = document.createElement("span");
  const words = [];
  if (event.zone && event.zone !== "frame") words.push(event.zone);
  if (event.area) words.push(`${(event.area * 100).toFixed(1)}% of the picture`);
  if (event.duration_s !== undefined) words.push(`after ${duration(event.duration_s)}`);
  if (event.frozen_feed) words.push("the same picture again and again");
  if (event.action) words.push(event.action);
  if (event.reason && event.reason !== "quiet") words.push(event.reason);
  more.textContent = words.join(" · ");
  item.append(time, title, more);
  const list = find("events");
  if (document.querySelector(`[data-id="${event.id}"]`)) return; // told again after a new connection
  item.dataset.id = event.id;
  list.prepend(item);
  while (list.children.length > MOST_EVENTS) list.lastElementChild.remove();
  find("event-count").textContent = list.children.length;
  find("no-events").hidden = true;
}

function tick() {
  const now = performance.now();
  const gone = now - lastWord > 3000;
  const banner = find("banner");
  const text = gone ? "No connection to edgefg; trying again." : banner.dataset.problems || "";
  banner.hidden = !text || lastWord === 0;
  if (banner.textContent !== text) banner.textContent = text;
  if (gone) {
    find("health").className = "health failing";
    find("health").querySelector("b").textContent = "no connection";
  }
  for (const tile of tiles.values()) {
    const age = now - Math.max(tile.taken, tile.newest);
    const stale = gone || age > tile.maxAge + 500;
    tile.node.classList.toggle("stale", stale);
    const field = tile.part(".age");
    field.textContent = Number.isFinite(age) ? (stale ? duration(age / 1000) : milliseconds(tile.age ?? age)) : "–";
    field.classList.toggle("old", stale);
    tile.part(".notice b").textContent = Number.isFinite(age) ? `No fresh frame for ${duration(age / 1000)}` : tile.state === "live" ? "Waiting for the first result" : "No frame yet";
    tile.part(".notice span").textContent = tile.state === "live" ? "" : tile.error || tile.state;
  }
}

function milliseconds(value) {
  return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}

function duration(seconds) {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} days`;
}

find("views").onclick = ({ target }) => { if (target.dataset.view) setAllViews(target.dataset.view); };
document.onkeydown = (event) => {
  if (event.target.matches("select, input") || event.ctrlKey || event.metaKey || event.altKey) return;
  const view = ["mask", "frame", "distance", "background"][Number(event.key) - 1];
  if (view) setAllViews(view);
  if (event.key === "Escape") enlarge(null);
};
setInterval(tick, 200);
connect();
