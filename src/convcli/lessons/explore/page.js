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

/** Read "same", "valid", "1", "1x2" (rows x columns) or "0+1x2+3" (top+bottom x left+right). */
function paddingFrom(text) {
  const word = text.trim().toLowerCase();
  if (word === "same" || word === "valid") return word;
  const match = /^(\d{1,3})(?:\+(\d{1,3}))?(?:\s*[x×]\s*(\d{1,3})(?:\+(\d{1,3}))?)?$/.exec(word);
  if (!match) {
    throw Object.assign(new Error('padding: expected same, valid, a whole number, or two as 1x2 ' +
      `(rows x columns); got "${text}".`), { field: "padding" });
  }
  const [top, bottom = top, left = top, right = match[3] === undefined ? bottom : left] =
    match.slice(1).map((part) => (part === undefined ? undefined : Number(part)));
  return [[top, bottom], [left, right]];
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
    stride: pairFrom($("stride").value, "stride"), border: $("border").value,
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
    slice(30);
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
  for (const [id, w, h] of [["input", picture.width, picture.height], ["output", width, height]]) {
    const stage = $(id);
    // Stride 2 halves the output: both pictures are shown at the scale of their own.
    const zoom = zoomOf(stage.parentElement, w, h);
    stage.style.width = `${w * zoom}px`;
    stage.style.height = `${h * zoom}px`;
    stage.zoom = zoom;
  }
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

// ------------------------------------------------------------------ one output pixel

/** The parts of one answer: for each plane its name, patch, weights, products and sum. */
function partsAt(plan, x, y) {
  const { down, across, padded, columns } = page.result, { kernel } = plan;
  const area = kernel.rows * kernel.columns;
  const inputs = kernel.isBank ? padded.map((_, i) => i) : [page.channel];
  return inputs.map((input, i) => {
    const at = kernel.isBank ? (page.map * inputs.length + i) * area : 0;
    const weights = kernel.weights.slice(at, at + area), patch = [];
    for (let j = 0; j < area; j++) {
      const row = y * down.stride + Math.floor(j / kernel.columns) * down.dilation;
      const column = x * across.stride + (j % kernel.columns) * across.dilation;
      patch.push(padded[input][row * columns.length + column]);
    }
    const products = patch.map((value, j) => value * weights[j]);
    const whole = plan.form ? plan.form.integers.slice(at, at + area) : weights;
    const exact = patch.reduce((sum, value, j) => sum + value * whole[j], 0);
    const name = !kernel.isBank ? "" : padded.length === 3
      ? `input channel ${input}, ${COLOURS[input]}` : `input channel ${input}`;
    return { name, patch, weights, products, exact, sum: exact / plan.divisor };
  });
}

/** The answer of one kernel at a pixel: its parts, its sum, its bias and its raw value. */
function answerAt(plan, x, y) {
  const parts = partsAt(plan, x, y), m = plan.kernel.isBank ? page.map : 0;
  const exact = parts.reduce((sum, part) => sum + part.exact, 0);
  return { parts, sum: exact / plan.divisor, bias: plan.biases[m], raw: rawOf(exact, plan, m) };
}

function showPixel() {
  const { result, at } = page;
  if (!result) return;
  const { down, across } = result;
  place($("input").querySelector(".frame"), [picture.width, picture.height],
    at.x * across.stride - across.before, at.y * down.stride - down.before,
    across.extent, down.extent);
  place($("output").querySelector(".frame"), [result.width, result.height], at.x, at.y, 1, 1);
  document.body.classList.toggle("is-pinned", page.pinned);
  showVeil();
  // Numbers are drawn once a frame at most, however often the pointer moves.
  page.frame ??= requestAnimationFrame(() => {
    page.frame = null;
    showSums();
  });
}

function isPadding(y, x) {
  const { result, at } = page, { down, across } = result;
  const row = at.y * down.stride + y * down.dilation - down.before;
  const column = at.x * across.stride + x * across.dilation - across.before;
  return row < 0 || column < 0 || row >= picture.height || column >= picture.width;
}

function element(tag, name, text) {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  return made;
}

const MOST_PLANES = 8;

function showSums() {
  const { result, at } = page, { x, y } = at;
  const answers = result.plans.map((plan) => answerAt(plan, x, y)), rows = [];
  $("place").textContent = `Output x = ${x}, y = ${y}`;
  result.plans.forEach((plan, k) => {
    const { kernel } = plan, { parts } = answers[k];
    const largest = (lists) => Math.max(...lists.map((list) => Math.max(...list.map(Math.abs)))) || 1;
    const weight = largest(parts.map((part) => part.weights));
    const product = largest(parts.map((part) => part.products));
    parts.slice(0, MOST_PLANES).forEach((part, i) => {
      const row = element("div", "plane", "");
      const name = [result.plans.length > 1 ? page.operand.kernels[k].name : "", part.name]
        .filter(Boolean).join(": ");
      if (name) row.append(element("span", "of", name));
      const grid = (caption, values, colour, padding) => gridTable(
        caption, values, kernel.rows, kernel.columns, colour, padding);
      row.append(
        grid("patch", part.patch, (v) => greyColour(v / picture.white), isPadding),
        element("span", "sign", "×"),
        grid("weights", part.weights, (v) => diverging(v / weight, palette)),
        element("span", "sign", "="),
        grid("products", part.products, (v) => diverging(v / product, palette)),
        element("span", "sign", i < parts.length - 1 ? "Σ +" : "Σ"),
        element("span", "total", told(part.sum)),
      );
      rows.push(row);
    });
    if (parts.length > MOST_PLANES) {
      rows.push(element("p", "note", `… and ${parts.length - MOST_PLANES} more channels`));
    }
  });
  $("sums").replaceChildren(...rows);
  showChain(answers);
}

/** Say how the sums become the pixel. */
function showChain(answers) {
  const { result, at } = page, { range, white, combine } = result;
  const index = at.y * result.width + at.x;
  const shown = result.plans[0].kernel.isBank ? 0 : page.channel;
  const raw = result.values[shown][index], pixel = result.pixels[shown][index];
  const level = levelOf(raw, result.rule), middle = (white + 1) / 2, words = [];
  answers.forEach((answer, k) => {
    const sums = answer.parts.length > 1
      ? `${answer.parts.slice(0, MOST_PLANES).map((part) => told(part.sum)).join(" + ")}` +
        `${answer.parts.length > MOST_PLANES ? " + …" : ""} = ` : "";
    const bias = answer.bias ? ` + bias ${told(answer.bias)} = ${told(answer.raw)}` : "";
    words.push(`${answers.length > 1 ? `${page.operand.kernels[k].name}: ` : ""}sum ${sums}${told(answer.sum)}${bias}`);
  });
  if (combine) words.push(`${combine}: ${told(raw)}`);
  if (range === "abs" && raw < 0) words.push(`abs: without its sign ${told(level)}`);
  if (range === "shift") words.push(`shift: add ${middle}: ${told(level)}`);
  if (range === "stretch") words.push(`stretch: ${told(result.low)} to ${told(result.high)} become 0 to ${white}: ${told(level)}`);
  if (range === "balance") words.push(`balance: 0 becomes ${middle}, ±${told(Math.max(Math.abs(result.low), Math.abs(result.high)))} an end: ${told(level)}`);
  if (level < 0 || level > white) words.push(`clip: cut off at ${level < 0 ? 0 : white}`);
  else if (level !== pixel) words.push("round, halves to even");
  const line = words.join(" → ");
  const value = element("b", "", `pixel ${pixel}`);
  $("chain").replaceChildren(`${line} → `, value);
  if (isNearHalf(level)) {
    $("chain").append(element("span", "note", "So near to a half that apply, which adds these " +
      "weights up in 32-bit floats, may round it to the other side."));
  }
  clearTimeout(page.speaking);
  page.speaking = setTimeout(() => {
    $("spoken").textContent = `Output x ${at.x}, y ${at.y}: ${line}, pixel ${pixel}.`;
  }, 150);
}

/** Whether a level of inexact weights may round to either side. */
function isNearHalf(level) {
  const { isExact, slack } = page.result;
  const part = Math.abs(level) - Math.floor(Math.abs(level));
  return !isExact && Math.abs(part - 0.5) <= slack;
}

// ------------------------------------------------------------------ size and command

function showFormulas() {
  const { down, across } = page.result;
  const line = (name, letter, axis, seen) => {
    const { size, extent, before, after, stride, output, dilation, kernel } = axis;
    const exact = axis.span / stride + 1, left = axis.span % stride;
    const grown = dilation > 1 ? `   with K = ${dilation}·(${kernel} − 1) + 1 = ${extent}` : "";
    const rest = left ? ` = ${told(exact)}, rounded down: ${output}. ` +
      `The last ${left === 1 ? seen : `${left} ${seen}s`}, padding included, no window reaches.` : ` = ${output}`;
    return `${name}: (${size} − ${extent} + ${before} + ${after}) / ${stride} + 1${rest}${grown}`;
  };
  $("formulas").textContent =
    `${line("width", "W", across, "column")}\n${line("height", "H", down, "row")}`;
}

/** The command whose output the page shows; edited weights are written out. */
function showCommand() {
  const settings = settingsNow(), quote = (text) => (/^[\w.:,/=+-]+$/.test(text) ? text
    : `'${text.replaceAll("'", `'\\''`)}'`);
  const weights = page.kernels.reduce((sum, { weights: { length } }) => sum + length, 0);
  const isWritten = page.edited || (!page.operand.isNamed && weights <= MOST_EDITED);
  const kernel = isWritten ? page.kernels.map(written).join("+") : page.operand.name;
  const words = ["convcli apply", quote(kernel), quote(picture.path), "out.png"];
  const add = (name, value, usual) => { if (value !== usual) words.push(`--${name} ${value}`); };
  add("stride", $("stride").value.trim(), "1");
  add("padding", $("padding").value.trim(), "same");
  add("border", settings.border, "zero");
  add("dilation", $("dilation").value.trim(), "1");
  add("bias", settings.bias, 0);
  add("range", settings.range, "auto");
  if (settings.combine) {
    add("combine", settings.combine, isWritten ? "magnitude" : page.operand.usual);
  }
  if (settings.flip) words.push("--flip");
  if ($("gray").checked && picture.channels === 3) words.push("--gray");
  if (page.kernels[0].isBank) add("map", page.map, null);
  if (picture.keep) words.push("--alpha keep");
  $("command").textContent = words.join(" ");
}

/** A kernel as inline JSON. */
function written(kernel) {
  const { rows, columns, weights, isBank, inputs, filters, bias } = kernel;
  const grid = (start) => Array.from({ length: rows }, (_, y) => weights.slice(
    start + y * columns, start + (y + 1) * columns));
  const area = rows * columns;
  const all = !isBank ? grid(0) : Array.from({ length: filters }, (_, m) => Array.from(
    { length: inputs }, (_, i) => grid((m * inputs + i) * area)));
  return JSON.stringify(bias.some(Boolean)
    ? { weights: all, bias: bias.length === 1 ? bias[0] : bias } : all);
}

// ------------------------------------------------------------------ the kernel's weights

const MOST_EDITED = 225;

function shownGrid() {
  const kernel = page.kernels[page.kernels.length > 1 ? page.part : 0];
  const area = kernel.rows * kernel.columns;
  return { kernel, start: kernel.isBank ? (page.map * kernel.inputs + page.part) * area : 0 };
}

/** A weight for its field, which is narrow where there are many. */
function weightText(weight, isNarrow) {
  if (!isNarrow) return String(Number(weight.toPrecision(6)));
  const text = String(Number(Math.abs(weight) < 0.001 ? weight.toPrecision(2)
    : weight.toFixed(4)));
  return text.replace(/^(-?)0\./, "$1.");
}

function showEditor() {
  const { kernel, start } = shownGrid(), { rows, columns, isBank } = kernel;
  const several = page.kernels.length > 1;
  const fill = (id, names, value) => {
    $(id).replaceChildren(...names.map((name, i) => new Option(name, i)));
    $(id).value = String(value);
    $(id).parentElement.hidden = names.length < 2;
  };
  fill("map", isBank ? Array.from({ length: kernel.filters }, (_, i) => `${i}`) : [], page.map);
  fill("part", isBank ? Array.from({ length: kernel.inputs }, (_, i) => (
    kernel.inputs === 3 ? COLOURS[i] : `channel ${i}`))
    : several ? page.operand.kernels.map((k) => k.name) : [], page.part);
  $("combine-label").hidden = !several;
  $("rows").value = rows;
  $("columns").value = columns;
  const table = document.createElement("table");
  const fits = rows * columns <= MOST_EDITED;
  const grid = kernel.weights.slice(start, start + rows * columns);
  const largest = Math.max(...grid.map(Math.abs)) || 1;
  for (let y = 0; y < rows && fits; y++) {
    const line = table.insertRow();
    for (let x = 0; x < columns; x++) {
      const input = document.createElement("input"), weight = grid[y * columns + x];
      input.value = weightText(weight, rows * columns > 25);
      input.inputMode = "decimal";
      input.title = String(weight);
      input.setAttribute("aria-label", `weight, row ${y + 1}, column ${x + 1}`);
      paint(input, diverging(weight / largest, palette));
      input.addEventListener("input", () => editWeight(input, start + y * columns + x));
      line.insertCell().append(input);
    }
  }
  $("weights").className = rows * columns > 25 ? "many" : "";
  $("weights").replaceChildren(fits ? table : element("p", "note",
    `${rows} × ${columns} weights: too many to edit here. Choose a smaller size below.`));
  sayKernel();
}

function sayKernel() {
  const { kernel } = shownGrid(), own = kernel.bias.filter(Boolean);
  const sum = kernel.weights.reduce((a, b) => a + b, 0);
  const title = page.edited ? "kernel, edited" : page.operand.name;
  $("kernel-title").textContent = title;
  $("name").textContent = page.edited ? "Edited kernel" : page.operand.name;
  const bias = own.length ? ` Its own bias: ${own.map(told).join(", ")}.` : "";
  const zero = isZeroSum(kernel);
  $("kernel-says").textContent = `${page.edited ? "" : `${page.operand.about}. `}` +
    (kernel.isBank ? `A bank: ${kernel.filters} maps of ${kernel.inputs} channels.`
      : `Sum ${zero ? 0 : told(sum)}${zero ? ": flat areas give 0." : "."}`) + bias;
}

function touched() {
  page.edited = true;
  $("kernel").value = "edited";
  sayKernel();
  compute();
}

function editWeight(input, index) {
  const { kernel, start } = shownGrid();
  try {
    kernel.weights[index] = numberFrom(input.value, "weight");
    delete input.dataset.wrong;
  } catch {
    input.dataset.wrong = "yes";
    touched();
    input.setAttribute("aria-invalid", "true");
    return;
  }
  input.title = String(kernel.weights[index]);
  const grid = kernel.weights.slice(start, start + kernel.rows * kernel.columns);
  const largest = Math.max(...grid.map(Math.abs)) || 1;
  document.querySelectorAll("#weights input").forEach((other, i) => paint(
    other, diverging(grid[i] / largest, palette)));
  touched();
}

/** Give all grids another size: they are cut, or get zeros, around their middle. */
function resize() {
  const rows = Number($("rows").value), columns = Number($("columns").value);
  if (![rows, columns].every((n) => Number.isInteger(n) && n >= 1 && n <= 63)) return;
  page.kernels = page.kernels.map((kernel) => {
    const area = kernel.rows * kernel.columns, weights = [];
    const top = ((rows - 1) >> 1) - ((kernel.rows - 1) >> 1);
    const left = ((columns - 1) >> 1) - ((kernel.columns - 1) >> 1);
    for (let start = 0; start < kernel.weights.length; start += area) {
      for (let y = 0; y < rows; y++) {
        for (let x = 0; x < columns; x++) {
          const [row, column] = [y - top, x - left];
          const inside = row >= 0 && column >= 0 && row < kernel.rows && column < kernel.columns;
          weights.push(inside ? kernel.weights[start + row * kernel.columns + column] : 0);
        }
      }
    }
    return { ...kernel, rows, columns, weights };
  });
  page.edited = true;
  const focused = document.activeElement;
  showEditor();
  touched();
  focused?.focus();
}

// ------------------------------------------------------------------ pointer and keys

/** Move to an output pixel; what lies outside moves to the nearest. `under` has the pointer. */
function goTo(x, y, under = null) {
  const { width, height } = page.result;
  page.at = { x: Math.min(Math.max(x, 0), width - 1), y: Math.min(Math.max(y, 0), height - 1) };
  showPixel();
  for (const id of ["input", "output"]) if (id !== under) reveal($(id));
}

/** Scroll an enlarged picture so that its frame is seen. */
function reveal(stage) {
  const view = stage.parentElement, frame = stage.querySelector(".frame"), edge = 20;
  const seen = view.getBoundingClientRect(), box = frame.getBoundingClientRect();
  const away = (start, end, first, last) => (start < first + edge ? start - first - edge
    : end > last - edge ? Math.min(end - last + edge, start - first - edge) : 0);
  view.scrollLeft += away(box.left, box.right, seen.left, seen.right);
  view.scrollTop += away(box.top, box.bottom, seen.top, seen.bottom);
}

/** The output pixel that a pointer means: the one below it, or whose window has it in the middle. */
function pointed(event) {
  const stage = event.currentTarget, box = stage.getBoundingClientRect();
  const x = Math.floor((event.clientX - box.left) / stage.zoom);
  const y = Math.floor((event.clientY - box.top) / stage.zoom);
  if (stage.id === "output") return [x, y];
  const { down, across } = page.result;
  const nearest = (at, axis) => Math.round(
    (at + axis.before - Math.floor((axis.kernel - 1) / 2) * axis.dilation) / axis.stride);
  return [nearest(x, across), nearest(y, down)];
}

function onKey(event) {
  const { at, result } = page, far = event.shiftKey ? 10 : 1;
  if (!result || event.ctrlKey || event.metaKey || event.altKey) return;
  const moves = {
    ArrowLeft: [at.x - far, at.y], ArrowRight: [at.x + far, at.y], ArrowUp: [at.x, at.y - far],
    ArrowDown: [at.x, at.y + far], Home: [0, at.y], End: [result.width - 1, at.y],
    PageUp: [at.x, 0], PageDown: [at.x, result.height - 1],
  };
  if (event.key in moves) {
    stop();
    goTo(...moves[event.key]);
  } else if (event.key === "Enter") play();
  else if (event.key === " ") pin();
  else if (event.key === "Escape") { stop(); page.pinned = false; showPixel(); }
  else return;
  event.preventDefault();
}

function pin() {
  page.pinned = !page.pinned;
  showPixel();
}

// ------------------------------------------------------------------ the slide

const STEPS_A_LINE = 32;

/** Slide over the whole output, or stop. Large outputs are crossed in larger steps. */
function play() {
  if (page.playing) { stop(); return; }
  const { width, height } = page.result;
  const step = Math.max(1, Math.ceil(Math.max(width, height) / STEPS_A_LINE));
  page.pinned = false;
  $("play").textContent = "Stop";
  let { x, y } = page.at;
  if (x + step >= width && y + step >= height) [x, y] = [-step, 0];
  page.playing = setInterval(() => {
    x += step;
    if (x >= width) { x = 0; y += step; }
    if (y >= height) { goTo(width - 1, height - 1); stop(); return; }
    goTo(x, y);
  }, 60);
}

function stop() {
  clearInterval(page.playing);
  page.playing = 0;
  $("play").textContent = "Play";
  showVeil();
}

/** While it plays, cover the outputs that were not reached yet. */
function showVeil() {
  const [line, rest] = document.querySelectorAll(".veil"), { at, result } = page;
  const zoom = $("output").zoom, show = page.playing ? "block" : "none";
  line.style.display = rest.style.display = show;
  if (!page.playing) return;
  const cover = (veil, left, top, width, height) => Object.assign(veil.style, {
    left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
  const step = Math.max(1, Math.ceil(Math.max(result.width, result.height) / STEPS_A_LINE));
  const below = Math.min(at.y + step, result.height);
  cover(line, (at.x + 1) * zoom, at.y * zoom, (result.width - at.x - 1) * zoom, (below - at.y) * zoom);
  cover(rest, 0, below * zoom, result.width * zoom, (result.height - below) * zoom);
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
