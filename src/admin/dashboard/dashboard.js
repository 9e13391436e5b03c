"use strict";
// Everything that is shown goes in as text: names and reasons may hold anything.
const byId = (id) => document.getElementById(id);
const kept = 60; // points of a sparkline, one a second
const history = new Map();
const changesKept = 100;
let before = null;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function remember(key, value) {
  const points = history.get(key) ?? [];
  points.push(value);
  if (points.length > kept) points.shift();
  history.set(key, points);
  return points;
}

function sparkline(points, label) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", `0 0 ${kept - 1} 20`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  const most = Math.max(1, ...points);
  const line = document.createElementNS(space, "polyline");
  const first = kept - points.length;
  line.setAttribute("points", points.map((value, at) => `${first + at},${19 - (18 * value) / most}`).join(" "));
  svg.append(line);
  return svg;
}

const rounded = (value) => (value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(value >= 10 ? 1 : 2));

// What came to a counter per second; one that fell begins anew (azulb was restarted).
function rate(now, then, seconds) {
  return then === undefined || now < then || seconds <= 0 ? 0 : (now - then) / seconds;
}

// In milliseconds, from the counts by range of one interval, within the range evenly.
function percentile(counts, boundsNs, share) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let left = share * total;
  for (let range = 0; range < counts.length; ++range) {
    if (counts[range] >= left && counts[range] > 0) {
      const low = range === 0 ? 0 : boundsNs[range - 1];
      const high = range < boundsNs.length ? boundsNs[range] : low * 2;
      return (low + (high - low) * (left / counts[range])) / 1e6;
    }
    left -= counts[range];
  }
  return boundsNs[boundsNs.length - 1] / 1e6;
}

function figure(name, value, points) {
  const box = element("div", { className: "figure" }, name, element("b", {}, value));
  box.dataset.figure = name;
  if (points) box.append(sparkline(points, `${name}, the last minute`));
  return box;
}

function stateOf(server) {
  if (server.admin_state === "disabled") return ["disabled", "off"];
  if (server.admin_state === "draining") return [server.health === "up" ? "draining" : `draining, ${server.health}`, "busy"];
  if (server.health === "up") return server.ejected ? ["ejected", "down"] : ["up", "up"];
  return server.health === "down" ? ["down", "down"] : ["not checked yet", "busy"];
}

const errorsOf = (server) => Object.values(server.errors).reduce((sum, count) => sum + count, 0);

async function change(upstream, server, action) {
  byId("message").textContent = "";
  const path = `/servers/${encodeURIComponent(upstream)}/${encodeURIComponent(server)}/${action}`;
  const headers = { "Content-Type": "application/json" };
  const token = sessionStorage.getItem("token");
  if (token) headers.Authorization = `Bearer ${token}`;
  try {
    const answer = await fetch(path, { method: "POST", headers, body: "{}" });
    if (answer.status === 401) {
      sessionStorage.removeItem("token");
      if (await askForToken()) await change(upstream, server, action);
      return;
    }
    if (!answer.ok) byId("message").textContent = (await answer.json()).error;
  } catch (error) {
    byId("message").textContent = `azulb does not answer: ${error.message}`;
  }
}

function askForToken() {
  const dialog = byId("ask");
  byId("token").value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const token = byId("token").value;
      byId("token").value = "";
      const given = dialog.returnValue === "ok" && token !== "";
      if (given) sessionStorage.setItem("token", token);
      resolve(given);
    }, { once: true });
  });
}

const columns = [["Server"], ["Address"], ["State"], ["Weight", 1], ["Active", 1], ["WebSockets", 1], ["Requests/s", 1], [""], ["Requests", 1], ["Errors", 1], ["Why"], [""]];

function upstreamSection(upstream) {
  const body = element("tbody");
  const head = element("tr", {}, ...columns.map(([name, number]) => element("th", { scope: "col", className: number ? "number" : "" }, name)));
  const title = element("h2");
  const section = element("section", { ariaLabel: `Upstream ${upstream.name}` }, title, element("table", {}, element("thead", {}, head), body));
  section.dataset.upstream = upstream.name;
  return section;
}

// A row is made once and kept, so that a button keeps the keyboard's focus.
function serverRow(upstream, server) {
  const cells = columns.map(([, number], column) => element(column === 0 ? "th" : "td", { className: number ? "number" : "" }));
  cells[0].scope = "row";
  cells[10].className = "why";
  const button = element("button", { type: "button" });
  button.addEventListener("click", () => change(upstream.name, server.name, button.dataset.action));
  cells[11].append(button);
  const row = element("tr", {}, ...cells);
  row.dataset.server = server.name;
  return row;
}

function showServer(row, upstream, server, perSecond) {
  const [state, kind] = stateOf(server);
  row.className = kind;
  row.dataset.state = state;
  const weight = server.weight === server.configured_weight ? server.weight : `${server.weight} (${server.configured_weight})`;
  const why = [server.health_reason, `since ${new Date(server.health_since).toLocaleTimeString()}`].filter(Boolean).join(", ");
  [server.name, server.address, state, weight, server.active, server.tunnels, rounded(perSecond), null, server.requests, errorsOf(server), why].forEach((text, column) => {
    if (text !== null && row.cells[column].textContent !== String(text)) row.cells[column].textContent = text;
  });
  row.cells[7].replaceChildren(sparkline(history.get(`${upstream.name}/${server.name}`), `requests per second of ${server.name}, the last minute`));
  const button = row.cells[11].firstChild;
  const action = server.admin_state === "enabled" ? "drain" : "enable";
  if (button.dataset.action !== action) {
    button.dataset.action = action;
    button.textContent = action === "drain" ? "Drain" : "Enable";
    button.ariaLabel = `${button.textContent} ${server.name}`;
  }
}

function noteChange(time, text) {
  const list = byId("changes");
  list.prepend(element("li", {}, element("time", { dateTime: time.toISOString() }, time.toLocaleTimeString()), ` ${text}`));
  while (list.children.length > changesKept) list.lastChild.remove();
}

// Of the first look: since when each server is as it is, the latest first in the list.
function noteBeginnings(state) {
  const found = [];
  for (const upstream of state.upstreams) {
    for (const server of upstream.servers) found.push([new Date(server.health_since), `${upstream.name}/${server.name} is ${stateOf(server)[0]}${server.health_reason ? ": " + server.health_reason : ""}`]);
  }
  found.sort((left, right) => left[0] - right[0]);
  for (const [time, text] of found.slice(-changesKept)) noteChange(time, text);
}

function showUpstreams(state, then, seconds, time) {
  const place = byId("upstreams");
  const sections = [];
  for (const upstream of state.upstreams) {
    const section = [...place.children].find((child) => child.dataset.upstream === upstream.name) ?? upstreamSection(upstream);
    const earlier = then?.upstreams.find((each) => each.name === upstream.name);
    section.firstChild.textContent = `${upstream.name} (${upstream.balance}): ${upstream.available_servers} of ${upstream.servers.length} servers available, ${upstream.active} under way`;
    const body = section.querySelector("tbody");
    const rows = [];
    for (const server of upstream.servers) {
      const was = earlier?.servers.find((each) => each.name === server.name);
      const perSecond = rate(server.requests, was?.requests, seconds);
      remember(`${upstream.name}/${server.name}`, perSecond);
      const row = [...body.children].find((child) => child.dataset.server === server.name) ?? serverRow(upstream, server);
      showServer(row, upstream, server, perSecond);
      rows.push(row);
      const [now] = stateOf(server);
      if (was && stateOf(was)[0] !== now) noteChange(time, `${upstream.name}/${server.name} is ${now}${server.health_reason ? ": " + server.health_reason : ""}`);
    }
    keepInOrder(body, rows);
    sections.push(section);
  }
  keepInOrder(place, sections);
}

function keepInOrder(parent, wanted) {
  const same = wanted.length === parent.children.length && wanted.every((child, at) => parent.children[at] === child);
  if (!same) parent.replaceChildren(...wanted);
}

function showFigures(now, then, seconds) {
  const totals = now.totals;
  const perSecond = rate(totals.requests, then?.totals.requests, seconds);
  const failing = rate(totals.server_errors, then?.totals.server_errors, seconds);
  const restarted = !then || totals.requests < then.totals.requests;
  const counts = totals.duration.map((count, range) => (restarted ? 0 : count - then.totals.duration[range]));
  const latency = (share) => {
    const value = percentile(counts, totals.duration_bounds_ns, share);
    return value === null ? "–" : `${rounded(value)} ms`;
  };
  const connections = now.state.listeners.reduce((sum, listener) => sum + listener.connections_active, 0);
  byId("figures").replaceChildren(
    figure("Requests/s", rounded(perSecond), remember("requests", perSecond)),
    figure("5xx/s", rounded(failing), remember("errors", failing)),
    figure("p50", latency(0.5)), figure("p90", latency(0.9)), figure("p99", latency(0.99)),
    figure("Connections", connections.toLocaleString("en")),
  );
}

function show(now) {
  const seconds = before ? (now.time_ms - before.time_ms) / 1000 : 0;
  if (before && seconds < 0.05) return;
  const { process, listeners } = now.state;
  byId("version").textContent = process.version;
  byId("process").textContent = `process ${process.pid}, ${process.workers} workers, up ${Math.floor(process.uptime_seconds / 60)} min${process.draining ? ", draining" : ""}`;
  showFigures(now, before, seconds);
  if (!before) noteBeginnings(now.state);
  showUpstreams(now.state, before?.state, seconds, new Date());
  byId("listeners").tBodies[0].replaceChildren(...listeners.map((listener) => element("tr", {},
    element("th", { scope: "row" }, listener.name), element("td", {}, listener.address.join(", ")),
    element("td", { className: "number" }, String(listener.connections_active)), element("td", { className: "number" }, String(listener.requests)))));
  before = now;
}

const events = new EventSource("/events");
events.onmessage = (event) => {
  byId("connection").textContent = "live";
  byId("connection").className = "";
  show(JSON.parse(event.data));
};
events.onerror = () => {
  byId("connection").textContent = "azulb does not answer; trying again";
  byId("connection").className = "lost";
};
