// What is said of one output pixel, of the size of the output, and of the command.

// ------------------------------------------------------------------ one output pixel

/** The parts of one answer: for each plane its name, patch, weights, products and sum. */
function partsAt(plan, x, y) {
  const { result } = page, { planes } = result, { kernel } = plan;
  const area = kernel.rows * kernel.columns;
  const inputs = kernel.isBank ? planes.map((_, i) => i) : [page.channel];
  return inputs.map((input, i) => {
    const at = kernel.isBank ? (page.map * inputs.length + i) * area : 0;
    const weights = kernel.weights.slice(at, at + area);
    const patch = patchAt(result, input, x, y);
    const products = patch.map((value, j) => value * weights[j]);
    const whole = plan.form ? plan.form.integers.slice(at, at + area) : weights;
    const exact = patch.reduce((sum, value, j) => sum + value * whole[j], 0);
    const name = !kernel.isBank ? "" : planes.length === 3
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
  const level = result.rule.levelOf(raw), middle = (white + 1) / 2, words = [];
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
  if (isNearTie(result, shown, index)) {
    const who = result.isExact ? "apply, where numba compiles it,"
      : "apply, which adds these weights up in 32-bit floats,";
    $("chain").append(element("span", "note",
      `So near to a half that ${who} may round it to the other side.`));
  }
  clearTimeout(page.speaking);
  page.speaking = setTimeout(() => {
    $("spoken").textContent = `Output x ${at.x}, y ${at.y}: ${line}, pixel ${pixel}.`;
  }, 150);
}

// ------------------------------------------------------------------ size and command

function showFormulas() {
  const { down, across } = page.result;
  const line = (name, letter, axis, seen) => {
    const { size, extent, before, after, stride, output, dilation, kernel } = axis;
    const exact = axis.span / stride + 1, left = axis.span % stride;
    const grown = dilation > 1 ? `K = ${dilation}·(${kernel} − 1) + 1 = ${extent}, ` : "";
    const rest = left ? ` = ${told(exact)}, rounded down: ${output}. ` +
      `The last ${left === 1 ? seen : `${left} ${seen}s`}, padding included, no window reaches.` : ` = ${output}`;
    return `${name}: ${grown}(${size} − ${extent} + ${before} + ${after}) / ${stride} + 1${rest}`;
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
  add("border", quote($("border").value), "zero");
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
  const { rows, columns, weights, isBank, inputs, bias } = kernel;
  const grids = partsOf(partsOf(weights, columns), rows);
  const all = isBank ? partsOf(grids, inputs) : grids[0];
  return JSON.stringify(bias.some(Boolean)
    ? { weights: all, bias: bias.length === 1 ? bias[0] : bias } : all);
}
