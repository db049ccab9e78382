"use strict";
// Text of others (names, errors) is only ever set as text.

const byId = (id) => document.getElementById(id);
let facts = null;
let paused = false;

const element = (name, text, kind) => {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
};

const age = (seconds) => {
  if (!seconds) return "-";
  const past = Math.max(0, Date.now() / 1000 - seconds);
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["m", 60]]) {
    if (past >= size) return `${Math.floor(past / size)}${unit}`;
  }
  return `${Math.floor(past)}s`;
};

const size = (bytes) => {
  let left = bytes;
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (left < 1024 || unit === "GiB") return `${left.toFixed(unit === "B" ? 0 : 1)} ${unit}`;
    left /= 1024;
  }
};

const stateKind = (state) => ({ Ready: "good", NotReady: "bad", fails: "bad", warning: "warn" })[state] || "";

// Each column: its head, its text in a row, and optionally the class of the cell.
const tables = {
  pods: {
    rows: () => facts.pods,
    empty: "No pod is on this node.",
    columns: [
      ["Pod", (row) => row.name],
      ["State", (row) => row.state, (row) => `narrow ${stateKind(row.state)}`],
      ["Age", (row) => age(row.created), () => "narrow"],
      ["Containers", (row) => row.containers.map((c) => `${c.name}: ${c.state} (${c.image})`).join("\n"), () => "parts"],
      ["Waits for", (row) => row.waits],
      ["ID", (row) => row.id.slice(0, 12), () => "id"],
    ],
  },
  problems: {
    rows: () => (facts.node.error ? facts.node : facts.node.problems),
    empty: "The node has no problem.",
    columns: [
      ["Check", (row) => row.what],
      ["Level", (row) => row.level, (row) => `narrow ${stateKind(row.level)}`],
      ["Details", (row) => row.sentence],
      ["Remedy", (row) => row.remedy],
    ],
  },
  work: {
    rows: () => (facts.node.error ? facts.node : facts.node.inProgress),
    empty: "No operation is in progress.",
    columns: [
      ["Operation", (row) => row.verb],
      ["Object", (row) => row.object],
      ["Seconds", (row) => String(row.seconds), () => "narrow"],
      ["Waits for", (row) => row.waits.map((wait) => wait.for).join("\n"), () => "parts"],
    ],
  },
  pulls: {
    rows: () => facts.pulls,
    empty: "No image is being pulled.",
    columns: [
      ["Image", (row) => row.name],
      ["From", (row) => row.host],
      ["Done", (row) => (row.total ? `${size(row.done)} of ${size(row.total)}` : size(row.done)), () => "narrow"],
      ["Rate", (row) => `${size(row.rate)}/s`, () => "narrow"],
      ["For", (row) => row.askedBy.join("\n"), () => "parts"],
      ["Trouble", (row) => row.trouble, () => "warn"],
    ],
  },
  sessions: {
    rows: () => facts.sessions,
    empty: "No exec, attach or port-forward is running.",
    columns: [
      ["Session", (row) => row.purpose],
      ["Object", (row) => row.name],
      ["Age", (row) => age(row.since), () => "narrow"],
      ["Quiet for", (row) => `${Math.floor(row.quiet)}s`, () => "narrow"],
      ["Asked by", (row) => row.by],
    ],
  },
  starts: {
    rows: () => facts.starts,
    empty: "No pod was started yet.",
    columns: [
      ["Pod", (row) => row.name],
      ["Took", (row) => `${row.seconds.toFixed(2)} s`, () => "narrow"],
      ["Longest stage", (row) => row.stage],
      ["Begin", (row) => row.begin, () => "narrow"],
      ["Result", (row) => row.result, (row) => (row.result === "failed" ? "bad" : "")],
    ],
  },
  leaks: {
    rows: () => facts.leaks,
    empty: "Nothing is left over, and no work is stuck.",
    columns: [
      ["Class", (row) => row.class],
      ["Object", (row) => row.object],
      ["Since", (row) => age(row.since), () => "narrow"],
      ["Next", (row) => row.next],
      ["Path", (row) => row.path, () => "path"],
    ],
  },
};

const draw = (name, { rows, empty, columns }) => {
  const all = rows();
  const place = byId(`${name}-table`);
  const count = byId(`${name}-count`);
  if (!Array.isArray(all)) {
    count.textContent = "";
    place.replaceChildren(element("p", all.error, "bad"));
    return;
  }
  const wanted = byId("filter").value.trim().toLowerCase();
  const texts = all.map((row) => columns.map(([, text]) => String(text(row) ?? "")));
  const shown = all.map((row, n) => [row, texts[n]]).filter(([, words]) => words.join(" ").toLowerCase().includes(wanted));
  count.textContent = wanted ? `${shown.length} of ${all.length}` : `${all.length}`;
  if (!shown.length) {
    place.replaceChildren(element("p", wanted && all.length ? "Nothing fits the filter." : empty, "none"));
    return;
  }
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const [title] of columns) {
    const cell = element("th", title);
    cell.scope = "col";
    head.append(cell);
  }
  const body = table.createTBody();
  for (const [row, words] of shown) {
    const line = body.insertRow();
    columns.forEach(([, , kind], n) => line.append(element("td", words[n], kind ? kind(row) : "")));
  }
  const left = place.scrollLeft;
  place.replaceChildren(table);
  place.scrollLeft = left;
};

const show = () => {
  if (!facts) return;
  const daemon = facts.node.daemon;
  byId("daemon").textContent = daemon ? `version ${daemon.version}, pid ${daemon.pid}, ${daemon.ready ? "ready" : "not ready"}` : "no daemon answers";
  byId("daemon").className = daemon && daemon.ready ? "good" : "bad";
  for (const [name, table] of Object.entries(tables)) draw(name, table);
};

const status = (text, kind) => {
  const place = byId("status");
  if (place.textContent !== text) place.textContent = text;
  place.className = kind;
};

const pause = () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  byId("pause").textContent = paused ? "Resume" : "Pause";
  status(paused ? "paused" : "live", paused ? "warn" : "good");
};

const source = new EventSource("events");
source.addEventListener("facts", (event) => {
  if (paused) return;
  facts = JSON.parse(event.data);
  show();
  status("live", "good");
});
source.addEventListener("error", () => status("not connected: is `cri-shim desk` still running?", "bad"));

byId("filter").addEventListener("input", show);
byId("pause").addEventListener("click", pause);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target === byId("filter");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    byId("filter").focus();
  } else if (event.key === "Escape" && typing) {
    byId("filter").value = "";
    show();
  } else if (event.key === "p" && !typing) {
    pause();
  }
});
