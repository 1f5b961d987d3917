// The arithmetic of `convcli apply`: borders, sizes, and how sums become pixels.
// Nothing here knows the page.

const f32 = Math.fround;

/** Round to a whole number, halves to the even one. */
function rint(value) {
  if (Math.abs(value) >= 4503599627370496) return value;
  const below = Math.floor(value), part = value - below;
  if (part !== 0.5) return part < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

const fold = (at, length) => ((at % length) + length) % length;

/** The place inside of an axis that a place beyond it copies, by the border; -1 for a constant. */
const SOURCES = {
  zero: (at, size) => (at >= 0 && at < size ? at : -1),
  replicate: (at, size) => Math.min(Math.max(at, 0), size - 1),
  wrap: fold,
  symmetric: (at, size) => Math.min(fold(at, 2 * size), 2 * size - 1 - fold(at, 2 * size)),
  reflect: (at, size) => (size === 1 ? 0
    : Math.min(fold(at, 2 * size - 2), 2 * size - 2 - fold(at, 2 * size - 2))),
};
SOURCES.odd = SOURCES.reflect;

/** Of how many times its source, the first and the last value a place of an odd border is. */
function oddParts(at, size) {
  const far = Math.abs(at), turns = Math.floor(far / (2 * size - 2));
  const [own, last] = far % (2 * size - 2) >= size ? [-1, 2 + 2 * turns] : [1, 2 * turns];
  return at < 0 ? [-own, 2 + 2 * turns, -last] : [own, -2 * turns, last];
}

/** One axis of a picture with its border: the values of a line are read by `get`. */
function borderedAxis(mode, { size, before, after }) {
  const isOdd = mode === "odd" && size > 1;
  const sources = Int32Array.from(
    { length: before + size + after }, (_, i) => SOURCES[mode](i - before, size));
  const read = (get, i, fill) => {
    if (!isOdd || (i >= before && i < before + size)) {
      return sources[i] < 0 ? fill : get(sources[i]);
    }
    const [own, first, last] = oddParts(i - before, size);
    return own * get(sources[i]) + first * get(0) + last * get(size - 1);
  };
  return { sources, before, isOdd, read };
}

/** The value at a place of a plane with its border. */
function borderedValue(plane, width, [rows, columns], fill, y, x) {
  return columns.read((column) => rows.read(
    (row) => plane[row * width + column], y, fill), x, fill);
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

/** How raw values become levels, in the precision of `apply`; they are rounded to pixels. */
function levelRule(range, white, low, high, streamed) {
  const middle = (white + 1) / 2, largest = Math.max(Math.abs(low), Math.abs(high));
  const ratios = { stretch: [white, high - low], balance: [white - middle, largest] };
  const [levels, values] = ratios[range] ?? [0, 0], offset = f32(low);
  const factor = values > 0 ? f32(levels / values) : 0;
  const rules = {
    abs: Math.abs,
    shift: (raw) => (streamed ? rint(raw) + middle : f32(rint(raw) + middle)),
    stretch: (raw) => f32(f32(raw - offset) * factor),
    balance: (raw) => f32(f32(raw * factor) + middle),
  };
  return { range, factor, middle, levelOf: rules[range] ?? ((raw) => raw) };
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

/** Where the numbers of a padded row are: columns that a stride jumps over come later. */
function layoutOf(columns, stride) {
  const part = Math.ceil(columns / stride);
  const placeOf = (x) => (x % stride) * part + Math.floor(x / stride);
  return { pitch: part * stride, isPlain: stride === 1, placeOf };
}

/** Copy planes of a picture with their border into the lanes, unless they are there already. */
function paddedPlanes(lanes, planes, width, sides, fills, layout, key) {
  if (lanes.planes === planes && lanes.key === key) {
    lanes.top = lanes.kept;
    return lanes.padded;
  }
  const [rows, columns] = sides, { pitch, placeOf } = layout;
  const size = rows.sources.length * pitch, places = columns.sources.map((_, x) => placeOf(x));
  const isOdd = rows.isOdd || columns.isOdd, isPlain = !isOdd && layout.isPlain;
  lanes.top = 0;
  lanes.padded = planes.map(() => lanes.take(size));
  planes.forEach((plane, i) => {
    const padded = lanes.at(lanes.padded[i], size).fill(fills[i]);
    rows.sources.forEach((row, y) => {
      const start = y * pitch, line = plane.subarray(row * width, (row + 1) * width);
      if (row < 0) return;
      if (isPlain) padded.set(line, start + columns.before);
      for (let x = 0; x < places.length; x++) {
        if (isPlain && x === columns.before) x += width;
        const column = columns.sources[x];
        if (isOdd) padded[start + places[x]] = borderedValue(plane, width, sides, fills[i], y, x);
        else if (column >= 0) padded[start + places[x]] = line[column];
      }
    });
  });
  Object.assign(lanes, { planes, key, kept: lanes.top });
  return lanes.padded;
}

/** The function that adds up a row of outputs of one kernel, for a map of a bank or a channel. */
function summing(lanes, plan, padded, down, across, layout, white) {
  const { kernel } = plan;
  const grids = partsOf(plan.weights, kernel.rows * kernel.columns).map((weights) => (
    plannedGrid(weights, down, across, layout, white, plan.inOrder).map(({ column, row }) => (
      { column: column && lanes.takeTaps(column), row: lanes.takeTaps(row) }))));
  plan.isRounded = Boolean(plan.form) && grids.some((grid) => grid.some(({ column }) => column));
  const sums = lanes.take(across.output), middle = lanes.take(layout.pitch);
  const blocks = (count) => Math.ceil((count * lanes.size) / BLOCK);
  const [wide, whole] = [blocks(across.output), blocks(layout.pitch)];
  return (channel, y) => {
    const from = y * down.stride * layout.pitch * lanes.size;
    const inputs = kernel.isBank ? padded : [padded[channel]], m = kernel.isBank ? channel : 0;
    lanes.at(sums, across.output).fill(0);
    inputs.forEach((plane, i) => {
      for (const { column, row } of grids[m * inputs.length + i]) {
        if (column) {
          lanes.at(middle, layout.pitch).fill(0);
          lanes.sum(middle, plane + from, column.start, column.end, whole);
        }
        lanes.sum(sums, column ? middle : plane + from, row.start, row.end, wide);
      }
    });
    return lanes.at(sums, across.output);
  };
}

/** Round some raw values to pixels. */
function pixelsInto(pixels, values, start, end, rule, white) {
  // Uint8ClampedArray rounds halves to even and cuts off, as `pixelOf` does.
  if (white > 255) {
    for (let i = start; i < end; i++) pixels[i] = pixelOf(rule.levelOf(values[i]), white);
  } else if (rule.range === "clip") for (let i = start; i < end; i++) pixels[i] = values[i];
  else for (let i = start; i < end; i++) pixels[i] = rule.levelOf(values[i]);
}

/** What a computation needs beside its settings: the axes, and the kernels ready to add up. */
function prepared(settings, planes, width, height, white) {
  const kernels = settings.flip ? settings.kernels.map(flipped) : settings.kernels;
  const { border, padding, stride: [sy, sx], dilation: [dy, dx] } = settings, first = kernels[0];
  const sides = Array.isArray(padding) ? padding : [padding, padding];
  const down = axisOf("rows", height, first.rows, sy, sides[0], dy);
  const across = axisOf("columns", width, first.columns, sx, sides[1], dx);
  if (first.isBank && first.inputs !== planes.length) {
    throw new Error(`The bank expects ${first.inputs} channels, the picture has ` +
      `${planes.length}: switch grey ${planes.length === 1 ? "off" : "on"}.`);
  }
  const axes = [down, across].map((axis, i) => borderedAxis(border.axes[i], axis));
  // An odd border has values beyond those of pixels: `apply` takes 64-bit floats.
  const isFloat = border.axes.includes("odd") &&
    [down, across].some(({ before, after }) => before + after > 0);
  const plans = kernels.map((kernel) => plannedKernel(
    kernel, settings.bias, white, down, across, isFloat));
  // Sums of 32 bits are those of `apply` where it adds up in order, and where they are whole.
  const isNarrow = plans.some((plan) => plan.inOrder) &&
    plans.every((plan) => plan.inOrder || !plan.isWide);
  for (const plan of plans) {
    plan.isSame = plan.isExact || (plan.inOrder && isNarrow);
    plan.inOrder = isNarrow;
  }
  const lanes = Lanes.of(isNarrow ? 4 : 8), layout = layoutOf(axes[1].sources.length, sx);
  const key = JSON.stringify([border, sx, down, across]);
  const padded = paddedPlanes(lanes, planes, width, axes, border.fills, layout, key);
  const sums = plans.map((plan) => summing(lanes, plan, padded, down, across, layout, white));
  return { kernels, down, across, axes, isFloat, plans, sums };
}

/**
 * Compute an output. It yields after some rows, so that the page can stay awake.
 *
 * `settings` has kernels, combine, flip, bias, stride, padding, dilation, border, range (stride
 * and dilation as [rows, columns], padding as "same", "valid" or [[top, bottom], [left,
 * right]], border as its modes for rows and columns and the constants of the planes) and `map`,
 * the map of a bank to show. `planes` are those of the picture.
 */
function* computing(settings, planes, width, height, white) {
  const job = prepared(settings, planes, width, height, white), { combine } = settings;
  const { down, across, plans, sums } = job, { isBank, filters } = job.kernels[0];
  const range = rangeOf(settings.range, job.kernels, combine);
  const needsExtent = range === "stretch" || range === "balance";
  const streamed = !combine && !needsExtent;
  if (job.isFloat && !streamed) {
    const inDoubt = { isExact: false, isSame: false, unit: 2 ** -24 };
    for (const plan of plans) Object.assign(plan, inDoubt);
  }
  const channels = planes.map((_, channel) => channel), maps = [...Array(filters).keys()];
  const shown = isBank ? [settings.map] : channels;
  const length = across.output, size = down.output * length;
  const values = shown.map(() => new Float64Array(size));
  const Pixels = white > 255 ? Uint16Array : Uint8ClampedArray;
  const pixels = shown.map(() => new Pixels(size));
  const spare = new Float64Array(length), answers = plans.map(() => new Float64Array(length));
  const extremes = [];
  let rule = levelRule(range, white, 0, 0, streamed), low = Infinity, high = -Infinity;

  const row = (channel, y, target) => {
    plans.forEach((plan, k) => {
      const into = plans.length > 1 ? answers[k] : target, m = isBank ? channel : 0;
      const added = sums[k](channel, y);
      if (streamed) for (let i = 0; i < length; i++) into[i] = rawOf(added[i], plan, m);
      else for (let i = 0; i < length; i++) into[i] = f32(rawOf(added[i], plan, m));
    });
    if (plans.length > 1) combineRow(target, answers, combine);
    for (let i = 0; i < length && needsExtent; i++) {
      if (target[i] < low) [low, extremes[0]] = [target[i], [channel, y * length + i]];
      if (target[i] > high) [high, extremes[1]] = [target[i], [channel, y * length + i]];
    }
  };

  // All maps share one range, whichever is shown.
  for (const channel of needsExtent && isBank ? maps : shown) {
    const at = shown.indexOf(channel);
    for (let y = 0; y < down.output; y++) {
      const [start, end] = [y * length, (y + 1) * length];
      row(channel, y, at < 0 ? spare : values[at].subarray(start, end));
      if (!needsExtent) pixelsInto(pixels[at], values[at], start, end, rule, white);
      if (y % 16 === 15) yield;
    }
  }
  if (needsExtent) {
    rule = levelRule(range, white, low, high, streamed);
    for (const [at, plane] of pixels.entries()) {
      pixelsInto(plane, values[at], 0, size, rule, white);
      yield;
    }
  }
  return {
    ...job, combine, range, rule, low, high, extremes, white, shown, values, pixels, planes,
    width: length, height: down.output, outputs: isBank ? filters : planes.length,
    fills: settings.border.fills, sourceWidth: width,
    isExact: plans.every((plan) => plan.isSame),
  };
}

/** The values of a plane, with its border, that a window sees. */
function patchAt(result, input, x, y) {
  const { down, across, axes, fills, planes, sourceWidth } = result;
  return Array.from({ length: down.kernel * across.kernel }, (_, j) => {
    const row = y * down.stride + Math.floor(j / across.kernel) * down.dilation;
    const column = x * across.stride + (j % across.kernel) * across.dilation;
    return borderedValue(planes[input], sourceWidth, axes, fills[input], row, column);
  });
}
