// The page's behaviour. Everything from the record is set as text; nothing is ever parsed as markup.
(() => {
  "use strict";
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const views = new Map();
  const waiting = new Map(data.charts.map((chart) => [chart.name, chart]));
  const state = { pipeline: "", filter: "", sort: "" };

  // ---- state, kept in the address so that it can be linked to
  const read = () => {
    const found = new URLSearchParams(location.hash.slice(1));
    for (const key of Object.keys(state)) state[key] = found.get(key) || "";
    if (!data.keys.includes(state.pipeline)) state.pipeline = "";
  };
  const write = () => {
    const kept = new URLSearchParams(Object.entries(state).filter(([, value]) => value));
    history.replaceState(null, "", `#${kept}`);
    apply();
  };
  const matches = (key) => {
    const words = state.filter.toLowerCase().split(/\s+/).filter(Boolean);
    return words.every((word) => key.toLowerCase().includes(word));
  };

  // ---- what the state does
  const apply = () => {
    const shown = state.filter ? data.keys.filter(matches) : null;
    for (const row of document.querySelectorAll("tr[data-key]")) {
      row.hidden = shown !== null && !shown.includes(row.dataset.key);
      row.classList.toggle("picked", row.dataset.key === state.pipeline);
    }
    for (const button of document.querySelectorAll("button.pick"))
      button.setAttribute("aria-pressed", String(button.dataset.pick === state.pipeline));
    for (const name of views.keys()) steer(name, shown);
    if ($("filter").value !== state.filter) $("filter").value = state.filter;
    const said = [];
    if (state.pipeline) said.push(`picked: ${state.pipeline}`);
    if (shown) said.push(`${shown.length} of ${data.keys.length} shown`);
    $("state").textContent = said.join("; ");
    $("clear").hidden = said.length === 0;
    sortTables();
  };
  const steer = (name, shown) => {
    const view = views.get(name);
    const own = waiting.get(name).keys;
    view.signal("picked", own.has(state.pipeline) ? state.pipeline : "");
    view.signal("shown", shown);
    view.runAsync();
  };

  // ---- tables
  const sortTables = () => {
    const [name, column, way] = state.sort.split(":");
    const table = name && document.querySelector(`table[data-table="${CSS.escape(name)}"]`);
    if (!table) return;
    const index = Number(column), sign = way === "down" ? -1 : 1;
    const heads = [...table.tHead.rows[0].cells];
    if (!heads[index]) return;
    heads.forEach((head, at) => at === index ? head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending") : head.removeAttribute("aria-sort"));
    const value = (row) => {
      const cell = row.cells[index];
      return cell.dataset.order === undefined ? cell.textContent : Number(cell.dataset.order);
    };
    const rows = [...table.tBodies[0].rows].filter((row) => row.cells.length === heads.length);
    rows.sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1; // without a figure: last, either way
      return sign * (typeof a === "number" ? a - b : a.localeCompare(b, "en"));
    });
    table.tBodies[0].append(...rows);
  };

  // ---- plots
  const tip = $("tip");
  const showTip = (handler, event, item, value) => {
    const datum = item && item.datum;
    if (value === null || value === undefined || value === "" || !datum || !datum.key) { tip.hidden = true; return; }
    tip.replaceChildren();
    const head = document.createElement("b");
    head.textContent = datum.key;
    tip.append(head, [datum.step, datum.text].filter(Boolean).join(": ") || describe(datum));
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = Math.min(event.clientX + 14, innerWidth - box.width - 8);
    const top = event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 18;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${top}px`;
  };
  const digits = (value) => Number(value.toPrecision(3)).toLocaleString("en");
  const describe = (datum) => ["size", "speed", "value"].filter((key) => typeof datum[key] === "number")
    .map((key) => `${key} ${digits(datum[key])}`).join(", ");

  // The plotting library: inflated here and run as a script whose hash the page's policy names.
  const unpack = async () => {
    const bytes = Uint8Array.from(atob($("library").textContent), (letter) => letter.charCodeAt(0));
    const script = document.createElement("script");
    script.textContent = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
    document.head.append(script);
    script.remove();
  };
  const library = unpack();
  library.catch(() => {
    for (const place of document.querySelectorAll("[data-plot]"))
      place.textContent = "Plots need a newer browser; the table has the same figures.";
  });
  const draw = async (name) => {
    const chart = waiting.get(name);
    if (!chart || chart.begun) return;
    chart.begun = true;
    chart.keys = new Set(chart.spec.data.flatMap((set) => (set.values || []).map((row) => row.key)));
    const place = $(`plot-${name}`);
    const options = { mode: "vega", ast: true, actions: false, defaultStyle: false, renderer: "svg", hover: false, tooltip: showTip, logLevel: 1 };
    await library;
    const result = await vegaEmbed(place, chart.spec, options);
    views.set(name, result.view);
    result.view.addEventListener("click", (event, item) => {
      const key = item && item.datum && item.datum.key;
      if (key && data.keys.includes(key)) pick(key);
    });
    // Vega names its marks and its whole, but not the groups between them.
    for (const group of place.querySelectorAll("[role='graphics-object']:not([aria-label])"))
      group.setAttribute("aria-label", chart.spec.description);
    place.dataset.drawn = "yes";
    if (state.pipeline || state.filter) steer(name, state.filter ? data.keys.filter(matches) : null);
  };
  const pick = (key) => { state.pipeline = state.pipeline === key ? "" : key; write(); };

  // Those in sight first; the others when the browser has nothing else to do, so that printing finds them drawn.
  const idle = window.requestIdleCallback || ((then) => setTimeout(then, 30));
  const drawRest = () => {
    const next = data.charts.find((chart) => !chart.begun);
    if (!next) { document.documentElement.dataset.drawn = "all"; return; }
    draw(next.name).finally(() => idle(drawRest));
  };
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { watch.unobserve(entry.target); draw(entry.target.dataset.plot); }
  }, { rootMargin: "200px" });

  // ---- controls
  const download = (name) => {
    const csv = name.endsWith(".csv");
    const source = $(csv ? "samples" : "record").textContent;
    const text = csv ? JSON.parse(source) : `${JSON.stringify(JSON.parse(source), null, 1)}\n`;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: csv ? "text/csv" : "application/json" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };
  const themes = ["system", "light", "dark"];
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.pick !== undefined) pick(button.dataset.pick);
    else if (button.dataset.download) download(button.dataset.download);
    else if (button.dataset.sort !== undefined) {
      const table = button.closest("table");
      const now = button.closest("th").getAttribute("aria-sort");
      state.sort = `${table.dataset.table}:${button.dataset.sort}:${now === "ascending" ? "down" : "up"}`;
      write();
    } else if (button.id === "clear") { state.pipeline = state.filter = ""; write(); }
    else if (button.id === "theme") {
      const root = document.documentElement;
      const next = themes[(themes.indexOf(root.dataset.theme || "system") + 1) % themes.length];
      if (next === "system") delete root.dataset.theme; else root.dataset.theme = next;
      button.textContent = `theme: ${next}`;
    }
  });
  $("filter").addEventListener("input", (event) => { state.filter = event.target.value.trim(); write(); });
  addEventListener("hashchange", () => { if (location.hash.includes("=") || !location.hash) { read(); apply(); } });
  addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
  addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });
  const folded = [];
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details:not([open])")) { part.open = true; folded.push(part); }
  });
  addEventListener("afterprint", () => { for (const part of folded.splice(0)) part.open = false; });

  read();
  apply();
  for (const place of document.querySelectorAll("[data-plot]")) watch.observe(place);
  idle(drawRest);
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
})();
