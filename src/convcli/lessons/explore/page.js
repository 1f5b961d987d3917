// The page: what a person sets, points at and reads.

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const { palette, picture } = data;
const COLOURS = ["red", "green", "blue"];
const FIELDS = ["stride", "padding", "border", "dilation", "bias", "range", "combine"];

const page = {
  operand: null, kernels: [], edited: false, combine: null, map: 0, part: 0, channel: 0,
  at: null, pinned: false, playing: 0, result: null, job: null, planes: [], gray: null,
};

// ------------------------------------------------------------------ what is set

/** Read "3" or "2x1" as [rows, columns]. */
function pairFrom(text, what) {
  const match = /^\s*(\d{1,4})(?:\s*[x×]\s*(\d{1,4}))?\s*$/i.exec(text);
  const pair = match && [Number(match[1]), Number(match[2] ?? match[1])];
  if (!pair || Math.min(...pair) < 1) {
    throw Object.assign(new Error(`${what}: expected a whole number of at least 1, or two as ` +
      `2x1 (rows x columns); got "${text}".`), { field: what });
  }
  return pair;
}

/** Read "same", "valid", "1", "1x2" (rows x columns) or "0,3,1,2" (top, right, bottom, left). */
function paddingFrom(text) {
  const word = text.trim().toLowerCase();
  if (word === "same" || word === "valid") return word;
  const sides = /^\d{1,3}( *, *\d{1,3}){3}$/.test(word) ? word.split(",").map(Number) : null;
  if (sides) return [[sides[0], sides[2]], [sides[3], sides[1]]];
  const match = /^(\d{1,3})(?:\s*[x×]\s*(\d{1,3}))?$/.exec(word);
  if (!match) {
    throw Object.assign(new Error('padding: expected same, valid, a whole number, two as 1x2 ' +
      `(rows x columns), or four as 0,3,1,2 (top, right, bottom, left); got "${text}".`),
    { field: "padding" });
  }
  return [match[1], match[2] ?? match[1]].map((side) => [Number(side), Number(side)]);
}

/** Return the modes of a border for rows and columns, and its constant for each plane. */
function borderFrom(name, count) {
  const isGiven = name === data.border.value;
  const { axes, fills } = isGiven ? data.border : { axes: [name, name], fills: [0] };
  if (fills.length > count && fills.some((fill) => fill !== fills[0])) {
    throw Object.assign(new Error(`border ${name}: a colour needs a picture in colour: switch ` +
      "grey off."), { field: "border" });
  }
  return { axes, fills: Array.from({ length: count }, (_, i) => fills[i % fills.length]) };
}

/** Read a number, or a fraction as 1/9. */
function numberFrom(text, field) {
  const match = /^\s*([+\-−]?[\d.]+(?:e[+-]?\d+)?)(?:\s*\/\s*([\d.]+))?\s*$/i.exec(text);
  const value = match && Number(match[1].replace("−", "-")) / Number(match[2] ?? 1);
  if (match && Number.isFinite(value)) return value;
  throw Object.assign(new Error(`${field}: expected a number, got "${text}".`), { field });
}

/** Return the settings as `computing` takes them, or throw what is wrong with one. */
function settingsNow() {
  return {
    kernels: page.kernels, combine: page.kernels.length > 1 ? $("combine").value : null,
    flip: $("flip").checked, map: page.map, bias: numberFrom($("bias").value || "0", "bias"),
    border: borderFrom($("border").value, planesNow().length),
    stride: pairFrom($("stride").value, "stride"),
    dilation: pairFrom($("dilation").value, "dilation"), range: $("range").value,
    padding: paddingFrom($("padding").value),
  };
}

function planesNow() {
  if (!$("gray").checked || picture.channels !== 3) return page.planes;
  page.gray ??= grey(page.planes);
  return page.gray;
}

/** Take a kernel of the catalogue, or the one that the page was made with. */
function choose(operand) {
  page.operand = operand;
  page.edited = false;
  page.kernels = operand.kernels.map((kernel) => ({ ...kernel, weights: [...kernel.weights] }));
  page.map = page.part = 0;
  if (operand.combine) $("combine").value = operand.combine;
  showEditor();
  compute();
}

// ------------------------------------------------------------------ computing

/** Compute the output anew: at once if it takes little, else in slices between events. */
function compute() {
  const problem = $("problem");
  document.querySelectorAll("[aria-invalid]").forEach((e) => e.removeAttribute("aria-invalid"));
  clearTimeout(page.timer);
  page.job = null;
  try {
    const wrong = document.querySelector("#weights [data-wrong]");
    if (wrong) numberFrom(wrong.value, "weight");
    page.job = computing(settingsNow(), planesNow(), picture.width, picture.height,
      picture.white);
    problem.textContent = "";
    slice(16);
  } catch (error) {
    refuse(error);
  }
}

function refuse(error) {
  $("problem").textContent = `${error.message} The output below is the last one that fitted.`;
  if (error.field && $(error.field)) $(error.field).setAttribute("aria-invalid", "true");
  page.job = null;
}

/** Go on computing for some milliseconds. */
function slice(budget) {
  const { job } = page, end = performance.now() + budget;
  try {
    do {
      const step = job.next();
      if (step.done) {
        page.job = null;
        page.result = step.value;
        showResult();
        return;
      }
    } while (performance.now() < end);
  } catch (error) {
    refuse(error);
    return;
  }
  page.timer = setTimeout(slice, 0, 12);
}

/** Compute to the end now. */
function settle() {
  clearTimeout(page.timer);
  if (page.job) slice(Infinity);
}

// ------------------------------------------------------------------ pictures

function zoomOf(view, width, height) {
  if ($("zoom").value !== "fit") return Number($("zoom").value);
  const wide = view.clientWidth - 14, high = Math.max(view.clientHeight, 286) - 14;
  const zoom = Math.min(wide / width, Math.min(high, 326) / height);
  return zoom >= 1 ? Math.min(Math.floor(zoom), 32) : zoom;
}

function fit() {
  if (!page.result) return;
  const { width, height } = page.result;
  const sides = [["input", picture.width, picture.height], ["output", width, height]];
  // All room is measured before a picture is sized: the browser lays the page out once.
  const zooms = sides.map(([id, w, h]) => zoomOf($(id).parentElement, w, h));
  sides.forEach(([id, w, h], i) => {
    // Stride 2 halves the output: both pictures are shown at the scale of their own.
    const stage = $(id), zoom = zooms[i];
    stage.style.width = `${w * zoom}px`;
    stage.style.height = `${h * zoom}px`;
    stage.zoom = zoom;
  });
}

/** Put a frame around some pixels of a picture: in percent, so that it may be printed smaller. */
function place(frame, [pictureWidth, pictureHeight], x, y, width, height) {
  const percent = (value, whole) => `${100 * value / whole}%`;
  Object.assign(frame.style, {
    left: percent(x + width / 2, pictureWidth), top: percent(y + height / 2, pictureHeight),
    width: `calc(max(6px, ${percent(width, pictureWidth)}) + 4px)`,
    height: `calc(max(6px, ${percent(height, pictureHeight)}) + 4px)`,
  });
}

function showResult() {
  const { result } = page, planes = planesNow();
  const clamp = (value, most) => Math.min(Math.max(value, 0), most - 1);
  page.at ??= { x: result.width >> 1, y: result.height >> 1 };
  page.at = { x: clamp(page.at.x, result.width), y: clamp(page.at.y, result.height) };
  if (page.drawn !== planes) {
    draw($("input").firstChild, planes, picture.width, picture.height, picture.white);
    page.drawn = planes;
  }
  const shown = result.pixels.length === 3 ? result.pixels : [result.pixels[Math.min(
    page.channel, result.pixels.length - 1)]];
  draw($("output").firstChild, shown, result.width, result.height, picture.white);
  $("input-size").textContent = `${picture.width} × ${picture.height} px` +
    (planes.length === 3 ? ", red, green, blue" : "");
  const map = page.kernels[0].isBank ? `, map ${page.map} of ${result.outputs}` : "";
  $("output-size").textContent = `${result.width} × ${result.height} px${map}`;
  fillChannels(planes.length);
  fit();
  showFormulas();
  showCommand();
  showPixel();
}

function fillChannels(count) {
  const isBank = page.kernels[0].isBank, select = $("channel");
  $("channel-label").hidden = isBank || count === 1;
  if (isBank || page.channel >= count) page.channel = 0;
  if (select.length !== count) {
    select.replaceChildren(...Array.from({ length: count }, (_, i) => new Option(
      count === 3 ? COLOURS[i] : `channel ${i}`, i)));
  }
  select.value = String(page.channel);
}

// ------------------------------------------------------------------ the start

function fillKernels() {
  const select = $("kernel"), groups = new Map();
  select.append(new Option(`${data.kernel.name} (as given)`, "given"));
  select.append(new Option("edited", "edited"));
  data.catalogue.forEach((entry, i) => {
    if (!groups.has(entry.theme)) {
      const group = document.createElement("optgroup");
      group.label = entry.theme;
      groups.set(entry.theme, group);
      select.append(group);
    }
    groups.get(entry.theme).append(new Option(entry.name, i));
  });
  select.addEventListener("change", () => {
    if (select.value === "edited") touched();
    else choose(select.value === "given" ? data.kernel : data.catalogue[Number(select.value)]);
  });
}

function listen() {
  for (const id of [...FIELDS, "flip", "gray"]) $(id).addEventListener("input", compute);
  for (const id of ["rows", "columns"]) $(id).addEventListener("input", resize);
  $("map").addEventListener("change", () => { page.map = Number($("map").value); showEditor(); compute(); });
  $("part").addEventListener("change", () => { page.part = Number($("part").value); showEditor(); });
  $("channel").addEventListener("change", () => { page.channel = Number($("channel").value); showPixel(); });
  $("zoom").addEventListener("change", () => { fit(); showPixel(); });
  $("play").addEventListener("click", play);
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  for (const id of ["input", "output"]) {
    const stage = $(id);
    stage.addEventListener("pointermove", (event) => {
      if (!page.pinned && !page.playing && page.result) goTo(...pointed(event), id);
    });
    stage.addEventListener("click", (event) => {
      if (!page.result) return;
      stop();
      const [before, { x, y }] = [page.pinned, page.at];
      goTo(...pointed(event), id);
      page.pinned = !(before && x === page.at.x && y === page.at.y);
      showPixel();
    });
    stage.addEventListener("keydown", onKey);
  }
  addEventListener("resize", () => { fit(); showPixel(); });
  addEventListener("keydown", (event) => { if (event.key === "Escape") { page.pinned = false; stop(); showPixel(); } });
}

async function start() {
  const known = [...$("border").options].some((option) => option.value === data.border.value);
  if (!known) $("border").append(new Option(data.border.value));
  for (const id of FIELDS) if (data.settings[id] != null) $(id).value = data.settings[id];
  for (const id of ["flip", "gray"]) $(id).checked = data.settings[id];
  $("gray-label").hidden = picture.channels !== 3;
  $("what").textContent = `on ${picture.name}`;
  fillKernels();
  listen();
  page.planes = await unpacked(picture);
  choose(data.kernel);
  document.body.dataset.ready = "yes";
}

start().catch((error) => {
  $("problem").textContent = `This page cannot start here: ${error.message}. ` +
    "It needs a browser of 2023 or later.";
});
