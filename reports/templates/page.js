"use strict";
(() => {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const $ = (id) => document.getElementById(id);
  const COLOURS = ["#0072b2", "#d55e00", "#008f66", "#b5518a", "#8a6d00", "#7a5bd0", "#5f7285", "#c0392b"];
  const DASHES = ["", "6 3", "2 3", "8 3 2 3"];
  const described = Object.fromEntries(data.metrics.map((metric) => [metric.name, metric]));

  /** Make an element; text is set as text, never as markup. */
  function make(name, attributes = {}, text = "") {
    const svg = ["svg", "line", "path", "circle", "text", "title", "g", "rect"].includes(name);
    const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== "") element.textContent = text;
    return element;
  }
  const arrow = (metric) => `${metric.toUpperCase()} ${described[metric].larger ? "↑" : "↓"}`;
  const number = (value) => (value === null || value === undefined ? "–" : Number(value).toPrecision(4));
  const fill = (select, options) => select.replaceChildren(
    ...options.map(([value, text]) => make("option", { value }, text)));

  // Tables: a heading sorts the rows of each group; controls stay below their rule.
  function sortKey(row, column) {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    return text !== "" && !Number.isNaN(Number(text)) ? Number(text) : text;
  }
  function order(first, second) {
    if (first === "" || second === "") return first === "" ? (second === "" ? 0 : 1) : -1;
    return typeof first === "number" && typeof second === "number"
      ? first - second : String(first).localeCompare(String(second));
  }
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      for (const body of table.querySelectorAll("tbody.rows")) {
        const rows = [...body.rows].map((row) => [sortKey(row, column), row]);
        rows.sort(([a], [b]) => (a === "" || b === "" ? order(a, b) : order(a, b) * (down ? -1 : 1)));
        body.append(...rows.map(([, row]) => row));
      }
    }));
  }

  // Filters act on everything that names a data set or a method.
  const boxes = [...document.querySelectorAll(".filters input")];
  const chosen = (name) => new Set(boxes.filter((box) => box.name === name && box.checked).map((box) => box.value));
  const methodOf = (row) => row.name.split("+")[0];
  function filter() {
    const datasets = chosen("dataset"), methods = chosen("method");
    for (const element of document.querySelectorAll("[data-dataset], [data-method]")) {
      const { dataset, method } = element.dataset;
      const known = boxes.some((box) => box.name === "method" && box.value === method);
      element.hidden = (dataset !== undefined && !datasets.has(dataset)) || (known && !methods.has(method));
    }
    const visible = data.datasets.filter((item) => datasets.has(item.name));
    const before = $("explorer-dataset").value;
    fill($("explorer-dataset"), visible.map((item) => [item.name, item.title]));
    if (visible.some((item) => item.name === before)) $("explorer-dataset").value = before;
    showDataset();
  }
  boxes.forEach((box) => box.addEventListener("change", filter));

  // Explorer.
  const current = () => data.datasets.find((item) => item.name === $("explorer-dataset").value);
  const shownRows = (item) => {
    const methods = chosen("method");
    return item.rows.filter((row) => methods.has(methodOf(row)));
  };
  // Colours follow the row, so that a filter never repaints what stays.
  const style = (item, row) => {
    const index = item.rows.indexOf(row);
    return { colour: COLOURS[index % COLOURS.length], dash: DASHES[Math.floor(index / COLOURS.length) % DASHES.length] };
  };
  // Distributions show every row; a scatter of controls and stretches would hide the methods.
  const scattered = (rows) => {
    const plain = rows.filter((row) => row.kind !== "control" && row.kind !== "ablation" && !row.stretched);
    return plain.length ? plain : rows;
  };

  function showDataset() {
    const item = current();
    for (const id of ["thumbnails", "ecdf", "scatter", "legend"]) $(id).replaceChildren();
    fill($("explorer-tile"), item ? item.tiles.map((tile, index) => [index, tile.name]) : []);
    $("explorer-open").disabled = !item;
    if (!item) return;
    ["explorer-x", "explorer-y"].forEach((id, place) => {
      const before = $(id).value, fallback = item.metrics[Math.min(place, item.metrics.length - 1)];
      fill($(id), item.metrics.map((metric) => [metric, arrow(metric)]));
      $(id).value = item.metrics.includes(before) ? before : fallback;
    });
    item.tiles.forEach((tile, index) => {
      if (!tile.pictures) return;
      const button = make("button", { type: "button", "aria-label": `Open tile ${tile.name}` });
      button.append(make("img", { src: tile.pictures[".visible"], alt: "", loading: "lazy" }), tile.name);
      button.addEventListener("click", () => openTile(item, index));
      $("thumbnails").append(button);
    });
    draw();
  }

  const SIZE = { width: 460, height: 330, left: 58, right: 10, top: 10, bottom: 40 };
  function extent(values) {
    const finite = values.filter((value) => value !== null && value !== undefined);
    if (!finite.length) return [0, 1];
    const low = Math.min(...finite), high = Math.max(...finite);
    const margin = (high - low) * 0.04 || Math.abs(high) * 0.04 || 1;
    return [low - margin, high + margin];
  }
  function frame(holder, xs, ys, xTitle, yTitle, label) {
    const svg = make("svg", { viewBox: `0 0 ${SIZE.width} ${SIZE.height}`, role: "img", "aria-label": label });
    const x = (v) => SIZE.left + ((v - xs[0]) / (xs[1] - xs[0])) * (SIZE.width - SIZE.left - SIZE.right);
    const y = (v) => SIZE.height - SIZE.bottom - ((v - ys[0]) / (ys[1] - ys[0])) * (SIZE.height - SIZE.top - SIZE.bottom);
    for (let step = 0; step <= 4; step += 1) {
      const xv = xs[0] + ((xs[1] - xs[0]) * step) / 4, yv = ys[0] + ((ys[1] - ys[0]) * step) / 4;
      svg.append(make("line", { class: "grid", x1: x(xv), x2: x(xv), y1: y(ys[0]), y2: y(ys[1]) }));
      svg.append(make("line", { class: "grid", x1: x(xs[0]), x2: x(xs[1]), y1: y(yv), y2: y(yv) }));
      svg.append(make("text", { x: x(xv), y: SIZE.height - 24, "text-anchor": "middle" }, xv.toPrecision(3)));
      svg.append(make("text", { x: SIZE.left - 6, y: y(yv) + 4, "text-anchor": "end" }, yv.toPrecision(3)));
    }
    svg.append(make("text", { x: (SIZE.left + SIZE.width) / 2, y: SIZE.height - 6, "text-anchor": "middle" }, xTitle));
    svg.append(make("text", { x: 12, y: SIZE.height / 2, "text-anchor": "middle", transform: `rotate(-90 12 ${SIZE.height / 2})` }, yTitle));
    holder.replaceChildren(svg);
    return { svg, x, y };
  }
  function draw() {
    const item = current(), rows = shownRows(item);
    const mx = $("explorer-x").value, my = $("explorer-y").value;
    const ix = item.metrics.indexOf(mx), iy = item.metrics.indexOf(my);
    const quantiles = rows.map((row) => item.quantiles[row.name][ix]);
    const axis = frame($("ecdf"), extent(quantiles.flat()), [0, 1], arrow(mx), "share of tiles below",
      `Distribution of ${mx} of ${rows.length} rows`);
    rows.forEach((row, index) => {
      const points = quantiles[index].map((value, k, all) => `${axis.x(value)} ${axis.y(k / (all.length - 1))}`);
      if (!points.length) return;
      const { colour, dash } = style(item, row);
      const path = make("path", { d: `M${points.join("L")}`, fill: "none", stroke: colour, "stroke-width": 2, "stroke-dasharray": dash });
      path.append(make("title", {}, row.title));
      axis.svg.append(path);
    });
    $("ecdf-caption").textContent = `${described[mx].title}: distribution over all ${item.count} tiles.`;
    drawScatter(item, scattered(rows), ix, iy, mx, my);
    $("legend").replaceChildren(...rows.map((row) => {
      const { colour, dash } = style(item, row);
      const key = make("svg", { viewBox: "0 0 26 10", "aria-hidden": "true" });
      key.append(make("line", { x1: 0, x2: 26, y1: 5, y2: 5, stroke: colour, "stroke-width": 3, "stroke-dasharray": dash }));
      const entry = make("li");
      entry.append(key, ` ${row.title}`);
      return entry;
    }));
  }
  function drawScatter(item, rows, ix, iy, mx, my) {
    const values = (index) => rows.flatMap((row) => item.values[row.name][index]);
    const axis = frame($("scatter"), extent(values(ix)), extent(values(iy)), arrow(mx), arrow(my),
      `${mx} against ${my}, one point per tile and method`);
    const points = [];
    for (const row of rows) {
      item.tiles.forEach((tile, index) => {
        const xv = item.values[row.name][ix][index], yv = item.values[row.name][iy][index];
        if (xv === null || yv === null) return;
        const name = `${row.title}, ${tile.name}: ${number(xv)}, ${number(yv)}`;
        const point = make("circle", { class: "point", cx: axis.x(xv), cy: axis.y(yv), r: 4, fill: style(item, row).colour,
          role: "button", tabindex: -1, "aria-label": name });
        point.append(make("title", {}, name));
        point.addEventListener("click", () => openTile(item, index));
        axis.svg.append(point);
        points.push({ point, x: xv });
      });
    }
    axis.svg.setAttribute("role", "group");
    walkByKeyboard(axis.svg, points.sort((a, b) => a.x - b.x).map((entry) => entry.point));
    const part = item.tiles.length < item.count ? `${item.tiles.length} of ${item.count}` : `all ${item.count}`;
    $("scatter-caption").textContent = `One point per tile and method (${part} tiles). A point opens its tile; arrow keys go from point to point, Enter opens.`;
  }
  // One stop for the tab key, whatever the number of points; arrows go on from there.
  function walkByKeyboard(svg, points) {
    if (points.length) points[0].setAttribute("tabindex", 0);
    svg.addEventListener("keydown", (event) => {
      const at = points.indexOf(event.target), last = points.length - 1;
      const next = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: last }[event.key];
      if (event.key === "Enter" || event.key === " ") event.target.dispatchEvent(new MouseEvent("click"));
      else if (next === undefined) return;
      else if (points[next]) {
        points[at].setAttribute("tabindex", -1);
        points[next].setAttribute("tabindex", 0);
        points[next].focus();
      }
      event.preventDefault();
    });
  }

  // Tile dialog.
  let open = null;
  const label = (item, key) => ({ ".visible": "Visible", ".infrared": "Infrared" })[key]
    ?? item.rows.find((row) => row.name === key).title;
  function openTile(item, index) {
    open = { item, index };
    const tile = item.tiles[index];
    $("tile-title").textContent = `${item.title}: tile ${tile.name}, scene ${tile.scene}`;
    $("tile-missing").hidden = Boolean(tile.pictures);
    $("tile-pictures").hidden = !tile.pictures;
    $("tile-all").replaceChildren();
    if (tile.pictures) showPictures(item, tile);
    const head = make("tr");
    head.append(...["Method", ...item.metrics.map(arrow)].map((text) => make("th", { scope: "col", class: text === "Method" ? "" : "number" }, text)));
    $("tile-head").replaceChildren(head);
    $("tile-values").replaceChildren(...shownRows(item).map((row) => {
      const line = make("tr");
      line.append(make("th", { scope: "row" }, row.title),
        ...item.values[row.name].map((column) => make("td", { class: "number" }, number(column[index]))));
      return line;
    }));
    if (!$("tile").open) $("tile").showModal();
  }
  function showPictures(item, tile) {
    const allowed = new Set(shownRows(item).map((row) => row.name));
    const keys = Object.keys(tile.pictures).filter((key) => key.startsWith(".") || allowed.has(key));
    const options = keys.map((key) => [key, label(item, key)]);
    const keep = (select, fallback) => {
      const before = select.value;
      fill(select, options);
      select.value = keys.includes(before) ? before : fallback;
    };
    keep($("tile-left"), ".visible");
    keep($("tile-right"), keys.includes("segfanet") ? "segfanet" : keys[keys.length - 1]);
    $("tile-all").replaceChildren(...options.map(([key, text]) => {
      const button = make("button", { type: "button", "aria-label": `Show ${text} on the right` });
      button.append(make("img", { src: tile.pictures[key], alt: "" }), text);
      button.addEventListener("click", () => { $("tile-right").value = key; showPair(); });
      return button;
    }));
    showPair();
  }
  function showPair() {
    const { item, index } = open;
    const pictures = item.tiles[index].pictures;
    const colour = $("tile-colour").checked;
    for (const side of ["left", "right"]) {
      const key = $(`tile-${side}`).value;
      const image = $(`tile-${side}-image`);
      image.src = pictures[key];
      image.alt = `${label(item, key)}, ${item.tiles[index].name}`;
      $(`tile-${side}-back`).src = pictures[".visible"];
      // Luminosity blending keeps the visible picture's chroma under the fused luma.
      image.parentElement.classList.toggle("coloured", colour && !key.startsWith("."));
    }
    const share = Number($("tile-slider").value);
    $("tile-left-layer").style.clipPath = `inset(0 ${100 - share}% 0 0)`;
    $("tile-divider").style.left = `${share}%`;
  }
  function step(by) {
    const count = open.item.tiles.length;
    openTile(open.item, (open.index + by + count) % count);
  }
  for (const id of ["tile-left", "tile-right", "tile-colour"]) $(id).addEventListener("change", showPair);
  $("tile-slider").addEventListener("input", showPair);
  $("tile-compare").addEventListener("pointermove", (event) => {
    if (!event.buttons) return;
    const box = $("tile-compare").getBoundingClientRect();
    $("tile-slider").value = Math.round((100 * (event.clientX - box.left)) / box.width);
    showPair();
  });
  $("tile-compare").addEventListener("dragstart", (event) => event.preventDefault());
  $("tile-previous").addEventListener("click", () => step(-1));
  $("tile-next").addEventListener("click", () => step(1));
  $("tile-close").addEventListener("click", () => $("tile").close());

  for (const id of ["explorer-x", "explorer-y"]) $(id).addEventListener("change", draw);
  $("explorer-dataset").addEventListener("change", showDataset);
  $("explorer-open").addEventListener("click", () => openTile(current(), Number($("explorer-tile").value)));
  filter();
})();
