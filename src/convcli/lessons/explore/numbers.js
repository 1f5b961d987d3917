// The arithmetic of `convcli apply`: borders, sizes, sums, and how sums become pixels.
// Nothing here knows the page.
//
// Sums are computed in 64-bit floats. Where the weights are whole numbers over one divisor,
// as most kernels of the catalogue are, such sums are exact, and so are those of `apply`:
// every pixel is equal. Other weights have sums that `apply` rounds to 32-bit floats;
// `slack` says how far such a sum may be from the exact one.

const f32 = Math.fround;

/** Round to a whole number, halves to the even one. */
function rint(value) {
  if (Math.abs(value) >= 4503599627370496) return value;
  const below = Math.floor(value), part = value - below;
  if (part !== 0.5) return part < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

/** The source of each position of a padded axis; -1 for the constant of the border "zero". */
function sourceIndices(border, size, before, after) {
  const sources = new Int32Array(before + size + after);
  const fold = (at, length) => ((at % length) + length) % length;
  for (let i = 0; i < sources.length; i++) {
    const at = i - before;
    let source;
    if (border === "zero") source = at >= 0 && at < size ? at : -1;
    else if (border === "replicate") source = Math.min(Math.max(at, 0), size - 1);
    else if (border === "wrap") source = fold(at, size);
    else if (border === "symmetric") {
      const folded = fold(at, 2 * size);
      source = Math.min(folded, 2 * size - 1 - folded);
    } else if (size === 1) source = 0;
    else {
      const folded = fold(at, 2 * size - 2);
      source = Math.min(folded, 2 * size - 2 - folded);
    }
    sources[i] = source;
  }
  return sources;
}

/** One axis of the window. Throws an Error with a message for the reader. */
function axisOf(what, size, kernel, stride, padding, dilation) {
  const extent = dilation * (kernel - 1) + 1;
  let [before, after] = padding;
  if (padding === "valid") [before, after] = [0, 0];
  if (padding === "same") {
    before = Math.floor((extent - 1) / 2);
    after = extent - 1 - before;
  }
  const span = size + before + after - extent;
  if (span < 0) {
    throw new Error(`The kernel spans ${extent} ${what}, the padded picture only ` +
      `${size + before + after}: use more padding, a smaller kernel or dilation.`);
  }
  const output = Math.floor(span / stride) + 1;
  return { size, kernel, stride, dilation, extent, before, after, span, output };
}

/** Weights as whole numbers over one divisor, or null: the rule of `Kernel.integer_form`. */
function integerForm(weights) {
  const magnitudes = weights.map(Math.abs).filter((weight) => weight !== 0);
  if (magnitudes.every(Number.isInteger)) return integersOver(weights, 1);
  const smallest = magnitudes.reduce((a, b) => Math.min(a, b));
  const largest = magnitudes.reduce((a, b) => Math.max(a, b));
  if (smallest < 1e-300 || largest >= 2 ** 31 * smallest) return null;
  for (let denominator = 1; denominator <= 64; denominator++) {
    const divisor = denominator / smallest;
    const whole = rint(Math.min(divisor, 2 ** 31));
    if (Math.abs(divisor - whole) > 1e-9 * whole) continue;
    const form = integersOver(weights, whole);
    if (form) return form;
  }
  return null;
}

function integersOver(weights, divisor) {
  const integers = weights.map((weight) => rint(weight * divisor));
  const fits = integers.every((n, i) => Math.abs(n) < 2 ** 31 && n / divisor === weights[i]);
  return fits ? { integers, divisor } : null;
}

/** Whether the weights of each filter sum to 0, rounding errors aside. */
function isZeroSum(kernel) {
  const count = kernel.weights.length / kernel.filters;
  for (let m = 0; m < kernel.filters; m++) {
    const filter = kernel.weights.slice(m * count, (m + 1) * count);
    const total = filter.reduce((a, b) => a + b, 0);
    if (Math.abs(total) > filter.reduce((a, b) => a + Math.abs(b), 0) * 1e-9) return false;
  }
  return true;
}

/** The kernel turned by half a turn: convolution from correlation. */
function flipped(kernel) {
  const area = kernel.rows * kernel.columns, weights = [];
  for (let start = 0; start < kernel.weights.length; start += area) {
    weights.push(...kernel.weights.slice(start, start + area).reverse());
  }
  return { ...kernel, weights };
}

/** A column and a row whose products are the weights, or null; whole where `whole` says so. */
function factorsOf(weights, rows, columns, whole) {
  let pivot = 0;
  weights.forEach((weight, i) => {
    if (Math.abs(weight) > Math.abs(weights[pivot])) pivot = i;
  });
  const y = Math.floor(pivot / columns), x = pivot % columns;
  let row = weights.slice(y * columns, (y + 1) * columns);
  if (whole) {
    const gcd = (a, b) => (b ? gcd(b, a % b) : Math.abs(a));
    const divisor = row.reduce(gcd, 0) || 1;
    row = row.map((weight) => weight / divisor);
  }
  const column = [];
  for (let i = 0; i < rows; i++) column.push(weights[i * columns + x] / row[x]);
  const close = whole ? 0 : 1e-14 * Math.abs(weights[pivot]);
  const fits = weights.every((weight, i) => Math.abs(
    column[Math.floor(i / columns)] * row[i % columns] - weight) <= close);
  return fits && (!whole || column.every(Number.isInteger)) ? { column, row } : null;
}

const FEW_TAPS = 15;
/** Kernels of more taps are computed as a column and a row where they can be. */

/** Weights and their offsets in a padded plane, without zeros, filled up to fours. */
function tapsOf(weights, offsetOf) {
  const offsets = [], taps = [];
  weights.forEach((weight, i) => {
    if (weight === 0) return;
    offsets.push(offsetOf(i));
    taps.push(weight);
  });
  while (taps.length % 4) { offsets.push(0); taps.push(0); }
  return { offsets, taps };
}

/** How one grid of weights is summed up: at once, or by a column and then a row. */
function plannedGrid(weights, whole, down, across, padded) {
  const factors = weights.length > FEW_TAPS
    ? factorsOf(weights, down.kernel, across.kernel, whole) : null;
  if (factors) {
    return {
      column: tapsOf(factors.column, (y) => y * down.dilation * padded),
      row: tapsOf(factors.row, (x) => x * across.dilation),
    };
  }
  return { column: null, row: tapsOf(weights, (i) => (
    Math.floor(i / across.kernel) * down.dilation * padded +
    (i % across.kernel) * across.dilation)) };
}

/** Add weighted values of a plane to `sums`: four taps at a time take half the time of one. */
function addTaps(sums, count, plane, start, step, { offsets, taps }) {
  for (let t = 0; t < taps.length; t += 4) {
    const a = taps[t], b = taps[t + 1], c = taps[t + 2], d = taps[t + 3];
    let p = start + offsets[t], q = start + offsets[t + 1];
    let r = start + offsets[t + 2], s = start + offsets[t + 3];
    for (let i = 0; i < count; i++) {
      sums[i] += a * plane[p] + b * plane[q] + c * plane[r] + d * plane[s];
      p += step; q += step; r += step; s += step;
    }
  }
}

/** Add a row of sums of one plane to `sums`. */
function addRow(sums, plane, start, step, grid, scratch) {
  if (!grid.column) {
    addTaps(sums, sums.length, plane, start, step, grid.row);
    return;
  }
  scratch.fill(0);
  addTaps(scratch, scratch.length, plane, start, 1, grid.column);
  addTaps(sums, sums.length, scratch, 0, step, grid.row);
}

/** Copy a plane of a picture (an array of height·width numbers) with its border around it. */
function paddedPlane(plane, width, rows, columns) {
  const padded = new Float64Array(rows.length * columns.length);
  for (let y = 0, at = 0; y < rows.length; y++) {
    const base = rows[y] * width;
    for (let x = 0; x < columns.length; x++, at++) {
      if (rows[y] >= 0 && columns[x] >= 0) padded[at] = plane[base + columns[x]];
    }
  }
  return padded;
}

/** A kernel, ready to be summed up; `precision` says how its sums become raw values. */
function plannedKernel(kernel, bias, white, down, across, padded) {
  const form = integerForm(kernel.weights), area = kernel.rows * kernel.columns;
  const weights = form ? form.integers : kernel.weights;
  const grids = [];
  for (let start = 0; start < weights.length; start += area) {
    const grid = weights.slice(start, start + area);
    grids.push(plannedGrid(grid, Boolean(form), down, across, padded));
  }
  const own = kernel.bias.length ? kernel.bias : [0];
  const biases = Array.from({ length: kernel.filters }, (_, m) => own[m % own.length] + bias);
  const divisor = form ? form.divisor : 1;
  return { kernel, grids, form, divisor, biases,
    ...precision(kernel, weights, form, divisor, biases, white, down, across) };
}

/** Choose the precision of the division and of the bias, as the planner of `apply` does. */
function precision(kernel, weights, form, divisor, biases, white, down, across) {
  const count = weights.length / kernel.filters;
  let least = 0, most = 0, magnitude = 0, taps = 0;
  for (let m = 0; m < kernel.filters; m++) {
    let above = 0, below = 0;
    for (const weight of weights.slice(m * count, (m + 1) * count)) {
      if (weight > 0) above += weight; else below += weight;
      if (weight !== 0) taps += 1;
    }
    least = Math.min(least, below * white);
    most = Math.max(most, above * white);
    magnitude = Math.max(magnitude, (above - below) * white);
  }
  const largest = Math.max(most, -least, ...biases.map(Math.abs));
  const inIntegers = form && !kernel.isBank && down.stride === 1 && across.stride === 1 &&
    (taps <= 64 || factorsOf(weights, kernel.rows, kernel.columns, true));
  const narrow = (least >= -32768 && most <= 32767) || (least >= 0 && most <= 65535);
  const isWide = Boolean(form) && (inIntegers ? !narrow : largest >= 2 ** 24);
  const dyadic = Number.isInteger(Math.log2(divisor));
  const hasBias = biases.some((bias) => bias !== 0);
  const isExact = Boolean(form) &&
    (!hasBias || dyadic || biases.every((bias) => Number.isInteger(bias * 2)));
  const slack = isExact ? 0 : (taps + 8) * 2 ** -24 * (magnitude / divisor + white);
  return { isWide, hasBias, keepsQuotient: isWide || (inIntegers && !hasBias), isExact, slack };
}

/** The raw value of a sum: divided, with the bias, in the precision of `apply`. */
function rawOf(sum, plan, m) {
  let raw = sum;
  if (plan.divisor !== 1) raw /= plan.divisor;
  if (!plan.keepsQuotient && (plan.hasBias || plan.divisor !== 1)) raw = f32(raw);
  if (!plan.hasBias) return raw;
  return plan.isWide ? raw + plan.biases[m] : f32(raw + f32(plan.biases[m]));
}

/** Combine the answers of several kernels into `target`, in 32-bit floats as in `apply`. */
function combineRow(target, answers, combine) {
  const isLength = combine === "magnitude";
  for (let i = 0; i < target.length; i++) {
    let total = isLength ? f32(answers[0][i] * answers[0][i]) : answers[0][i];
    for (let k = 1; k < answers.length; k++) {
      const answer = answers[k][i];
      if (combine === "max") total = answer > total ? answer : total;
      else if (combine === "min") total = answer < total ? answer : total;
      else total = f32(total + (isLength ? f32(answer * answer) : answer));
    }
    target[i] = isLength ? f32(Math.sqrt(total))
      : combine === "mean" ? f32(total / answers.length) : total;
  }
}

/** The range that "auto" means for these kernels. */
function rangeOf(range, kernels, combine) {
  if (range !== "auto") return range;
  return kernels.every(isZeroSum) && combine !== "max" ? "abs" : "clip";
}

/** How raw values become levels, which are rounded and cut off to pixels. */
function levelRule(range, white, low, high, streamed) {
  const middle = (white + 1) / 2, largest = Math.max(Math.abs(low), Math.abs(high));
  if (range === "stretch") {
    const factor = high > low ? f32(white / (high - low)) : 0;
    return { range, streamed, offset: f32(low), factor, middle };
  }
  const factor = range === "balance" && largest ? f32((white - middle) / largest) : 0;
  return { range, streamed, offset: 0, factor, middle };
}

/** The level of a raw value, in the precision of `apply`. */
function levelOf(raw, rule) {
  switch (rule.range) {
    case "abs": return Math.abs(raw);
    case "shift": return rule.streamed ? rint(raw) + rule.middle : f32(rint(raw) + rule.middle);
    case "stretch": return f32(f32(raw - rule.offset) * rule.factor);
    case "balance": return f32(f32(raw * rule.factor) + rule.middle);
    default: return raw;
  }
}

/** Round a level, halves to the even number, and cut it off at 0 and at white. */
function pixelOf(level, white) {
  return level <= 0 ? 0 : level >= white ? white : rint(level);
}

/** The weights of red, green and blue in a grey, in 1/65536 (ITU-R BT.601). */
function grey(planes) {
  const [red, green, blue] = planes, luma = new Float64Array(red.length);
  for (let i = 0; i < luma.length; i++) {
    luma[i] = Math.floor((19595 * red[i] + 38470 * green[i] + 7471 * blue[i] + 32768) / 65536);
  }
  return [luma];
}

/**
 * Compute an output. It yields after some rows, so that the page can stay awake.
 *
 * `settings` has kernels, combine, flip, bias, stride, padding, dilation, border, range (stride
 * and dilation as [rows, columns], padding as "same", "valid" or [[top, bottom], [left,
 * right]]) and `map`, the map of a bank to show. `planes` are those of the picture.
 */
function* computing(settings, planes, width, height, white) {
  const kernels = settings.flip ? settings.kernels.map(flipped) : settings.kernels;
  const { combine, border } = settings, first = kernels[0];
  const [[sy, sx], [dy, dx]] = [settings.stride, settings.dilation];
  const sides = Array.isArray(settings.padding) ? settings.padding
    : [settings.padding, settings.padding];
  const down = axisOf("rows", height, first.rows, sy, sides[0], dy);
  const across = axisOf("columns", width, first.columns, sx, sides[1], dx);
  if (first.isBank && first.inputs !== planes.length) {
    throw new Error(`The bank expects ${first.inputs} channels, the picture has ` +
      `${planes.length}: switch grey ${planes.length === 1 ? "off" : "on"}.`);
  }
  const rows = sourceIndices(border, height, down.before, down.after);
  const columns = sourceIndices(border, width, across.before, across.after);
  const padded = planes.map((plane) => paddedPlane(plane, width, rows, columns));
  const plans = kernels.map((kernel) => plannedKernel(
    kernel, settings.bias, white, down, across, columns.length));
  const range = rangeOf(settings.range, kernels, combine);
  const needsExtent = range === "stretch" || range === "balance";
  const streamed = !combine && !needsExtent;
  const outputs = first.isBank ? first.filters : planes.length;
  const shown = first.isBank ? [settings.map] : planes.map((_, channel) => channel);
  const size = down.output * across.output;
  const values = shown.map(() => new Float64Array(size));
  let low = Infinity, high = -Infinity;
  const spare = new Float64Array(across.output), scratch = new Float64Array(columns.length);
  const answers = plans.map(() => new Float64Array(across.output));

  const row = (channel, y, target) => {
    const start = y * sy * columns.length;
    plans.forEach((plan, k) => {
      const sums = plans.length > 1 ? answers[k] : target, m = first.isBank ? channel : 0;
      sums.fill(0);
      const inputs = first.isBank ? padded : [padded[channel]];
      inputs.forEach((plane, i) => addRow(
        sums, plane, start, sx, plan.grids[m * inputs.length + i], scratch));
      for (let i = 0; i < sums.length; i++) {
        const raw = rawOf(sums[i], plan, m);
        sums[i] = streamed ? raw : f32(raw);
      }
    });
    if (plans.length > 1) combineRow(target, answers, combine);
    for (let i = 0; i < target.length && needsExtent; i++) {
      if (target[i] < low) low = target[i];
      if (target[i] > high) high = target[i];
    }
  };

  const needed = needsExtent ? Array.from({ length: outputs }, (_, channel) => channel) : shown;
  for (const channel of needed) {
    const at = shown.indexOf(channel);
    for (let y = 0; y < down.output; y++) {
      row(channel, y, at < 0 ? spare
        : values[at].subarray(y * across.output, (y + 1) * across.output));
      if (y % 16 === 15) yield;
    }
  }
  const rule = levelRule(range, white, low, high, streamed);
  // Uint8ClampedArray rounds halves to even and cuts off, as `pixelOf` does.
  const pixels = values.map((raws) => {
    const plane = white > 255 ? new Uint16Array(size) : new Uint8ClampedArray(size);
    if (white > 255) for (let i = 0; i < size; i++) plane[i] = pixelOf(levelOf(raws[i], rule), white);
    else for (let i = 0; i < size; i++) plane[i] = levelOf(raws[i], rule);
    return plane;
  });
  const scale = range === "stretch" ? white / Math.max(high - low, 1e-9)
    : range === "balance" ? white / 2 / Math.max(Math.abs(low), Math.abs(high), 1e-9) : 1;
  return {
    width: across.output, height: down.output, shown, outputs, values, pixels, rule, range,
    low, high, down, across, rows, columns, padded, plans, combine, white,
    isExact: plans.every((plan) => plan.isExact),
    slack: plans.reduce((most, plan) => most + plan.slack, 0) * Math.max(scale, 1),
  };
}
