// The arithmetic of `convcli apply`: borders, sizes, sums, and how sums become pixels.
// Nothing here knows the page.
//
// Sums are computed in 64-bit floats. Where the weights are whole numbers over one divisor,
// as most kernels of the catalogue are, such sums are exact, and so are those of `apply`:
// every pixel is equal. Other weights have sums that `apply` rounds to 32-bit floats, in an
// order that differs between machines: `slack` says how far such a sum may be from the exact
// one (n additions in any order err by at most n·2⁻²⁴ of the sum of magnitudes).

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

/**
 * Columns and rows whose products add up to the weights, at most `most` pairs, or null.
 *
 * The largest weight that is left is the next pivot: its row and its column are taken away.
 */
function factorsOf(weights, rows, columns, most) {
  const rest = Float64Array.from(weights), factors = [];
  const close = 1e-14 * Math.max(...weights.map(Math.abs));
  for (;;) {
    let pivot = 0;
    for (let i = 1; i < rest.length; i++) {
      if (Math.abs(rest[i]) > Math.abs(rest[pivot])) pivot = i;
    }
    if (Math.abs(rest[pivot]) <= close) return factors;
    if (factors.length === most) return null;
    const y = Math.floor(pivot / columns), x = pivot % columns;
    const row = rest.slice(y * columns, (y + 1) * columns);
    const column = Float64Array.from({ length: rows }, (_, i) => rest[i * columns + x] / row[x]);
    for (let i = 0; i < rest.length; i++) {
      rest[i] -= column[Math.floor(i / columns)] * row[i % columns];
    }
    factors.push({ column, row });
  }
}

/** Kernels of more taps are computed as columns and rows where that takes fewer products. */
const FEW_TAPS = 15;

/** Weights and their offsets in a padded plane, without zeros, filled up to fours. */
function tapsOf(weights, offsetOf) {
  const offsets = [], taps = [];
  weights.forEach((weight, i) => {
    if (weight === 0) return;
    offsets.push(offsetOf(i));
    taps.push(weight);
  });
  while (taps.length % 4) { offsets.push(0); taps.push(0); }
  return { offsets, taps, lines: [] };
}

/** The same as whole lines of weights, for a window that moves in steps of 1, if few are 0. */
function linesOf(weights, rows, columns, padded) {
  const lines = [];
  for (let y = 0; y < rows; y++) {
    const line = Float64Array.from(weights.slice(y * columns, (y + 1) * columns));
    if (line.some((weight) => weight !== 0)) lines.push({ offset: y * padded, line });
  }
  const taps = weights.filter((weight) => weight !== 0).length;
  const isDense = columns > 2 && taps * 2 > lines.length * columns;
  return isDense ? { offsets: [], taps: [], lines } : null;
}

/** How one grid of weights is summed up: at once, or by columns and then rows. */
function plannedGrid(weights, down, across, padded, white) {
  const isPlain = across.stride === 1 && across.dilation === 1;
  const grid = (part, rows, columns) => (
    (isPlain && linesOf(part, rows, columns, padded * down.dilation)) || tapsOf(part, (i) => (
      Math.floor(i / columns) * down.dilation * padded + (i % columns) * across.dilation)));
  const taps = weights.filter((weight) => weight !== 0).length;
  const most = Math.floor(taps / (down.kernel + across.kernel));
  const isSmall = weights.reduce((sum, weight) => sum + Math.abs(weight), 0) * white < 2 ** 40;
  const factors = taps > FEW_TAPS && most > 0 && isSmall
    ? factorsOf(weights, down.kernel, across.kernel, most) : null;
  if (!factors) return [{ column: null, row: grid(weights, down.kernel, across.kernel) }];
  return factors.map(({ column, row }) => ({
    column: tapsOf(column, (y) => y * down.dilation * padded),
    row: grid(row, 1, across.kernel),
  }));
}

/** Add weighted values of a plane to `sums`: four taps at a time take half the time of one. */
function addTaps(sums, count, plane, start, step, { offsets, taps }) {
  for (let t = 0; t < taps.length; t += 4) {
    const a = taps[t], b = taps[t + 1], c = taps[t + 2], d = taps[t + 3];
    const [p, q, r, s] = [0, 1, 2, 3].map((k) => plane.subarray(start + offsets[t + k]));
    for (let i = 0, j = 0; i < count; i++, j += step) {
      sums[i] += a * p[j] + b * q[j] + c * r[j] + d * s[j];
    }
  }
}

/** Add a line of weights that slides along a plane: each value is read once for four sums. */
function addLine(sums, count, plane, start, line) {
  const end = count - count % 4;
  for (let i = 0; i < end; i += 4) {
    let at = start + i, a = plane[at], b = plane[at + 1], c = plane[at + 2];
    let first = 0, second = 0, third = 0, fourth = 0;
    at += 3;
    for (let k = 0; k < line.length; k++) {
      const weight = line[k], d = plane[at + k];
      first += weight * a;
      second += weight * b;
      third += weight * c;
      fourth += weight * d;
      a = b; b = c; c = d;
    }
    sums[i] += first;
    sums[i + 1] += second;
    sums[i + 2] += third;
    sums[i + 3] += fourth;
  }
  for (let i = end; i < count; i++) {
    for (let k = 0; k < line.length; k++) sums[i] += line[k] * plane[start + i + k];
  }
}

function addPart(sums, count, plane, start, step, part) {
  for (const { offset, line } of part.lines) addLine(sums, count, plane, start + offset, line);
  addTaps(sums, count, plane, start, step, part);
}

/** Add a row of sums of one plane to `sums`. */
function addRow(sums, plane, start, step, grid, scratch) {
  for (const { column, row } of grid) {
    if (column) {
      scratch.fill(0);
      addTaps(scratch, scratch.length, plane, start, 1, column);
    }
    addPart(sums, sums.length, column ? scratch : plane, column ? 0 : start, step, row);
  }
}

/** Copy a plane of a picture (an array of height·width numbers) with its border around it. */
function paddedPlane(plane, width, rows, columns, before) {
  const padded = new Float64Array(rows.length * columns.length);
  rows.forEach((row, y) => {
    if (row < 0) return;
    const start = y * columns.length, line = plane.subarray(row * width, (row + 1) * width);
    padded.set(line, start + before);
    for (let x = 0; x < columns.length; x++) {
      if (x === before) x += width;
      if (columns[x] >= 0) padded[start + x] = line[columns[x]];
    }
  });
  return padded;
}

/** A kernel, ready to be summed up; `precision` says how its sums become raw values. */
function plannedKernel(kernel, bias, white, down, across, padded) {
  const form = integerForm(kernel.weights), area = kernel.rows * kernel.columns;
  const weights = form ? form.integers : kernel.weights;
  const grids = [];
  for (let start = 0; start < weights.length; start += area) {
    const grid = weights.slice(start, start + area);
    grids.push(plannedGrid(grid, down, across, padded, white));
  }
  const own = kernel.bias.length ? kernel.bias : [0];
  const biases = Array.from({ length: kernel.filters }, (_, m) => own[m % own.length] + bias);
  const divisor = form ? form.divisor : 1;
  const isRounded = Boolean(form) && grids.some((grid) => grid.some(({ column }) => column));
  return { kernel, grids, form, divisor, biases, isRounded,
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
    (taps <= 64 || factorsOf(weights, kernel.rows, kernel.columns, 1));
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
  // Products of columns and rows are no whole numbers; their sums are, rounding errors aside.
  let raw = plan.isRounded ? rint(sum) : sum;
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
  const padded = planes.map((plane) => paddedPlane(
    plane, width, rows, columns, across.before));
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
      const isRaw = plan.divisor === 1 && !plan.hasBias && !plan.isRounded;
      for (let i = 0; i < sums.length && !(isRaw && streamed); i++) {
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
    else if (range === "clip") plane.set(raws);
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
