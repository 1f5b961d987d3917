// Kernels: how their weights are summed up, and in which precision `apply` does it.
//
// Where the weights are whole numbers over one divisor, as most kernels of the catalogue are,
// 64-bit sums are exact, and so are those of `apply`: every pixel is equal. Where a window jumps
// (a stride above 1), `apply` adds other weights up tap by tap, in 32-bit floats, and so does
// the page: every pixel is equal again, unless numba compiles the additions. Else `apply` leaves
// the order of the additions to a library that differs between machines. The page then computes
// nearly exact sums, and `doubtOf` says how far from them those of `apply` may be.

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

const sumOf = (values) => values.reduce((sum, value) => sum + value, 0);

/** An array in parts of so many: the grids, or the filters, of a kernel. */
function partsOf(values, size) {
  return Array.from(
    { length: values.length / size }, (_, m) => values.slice(m * size, (m + 1) * size));
}

/** Whether the weights of each filter sum to 0, rounding errors aside. */
function isZeroSum(kernel) {
  return partsOf(kernel.weights, kernel.weights.length / kernel.filters).every(
    (filter) => Math.abs(sumOf(filter)) <= sumOf(filter.map(Math.abs)) * 1e-9);
}

/** The kernel turned by half a turn: convolution from correlation. */
function flipped(kernel) {
  const grids = partsOf(kernel.weights, kernel.rows * kernel.columns);
  return { ...kernel, weights: grids.flatMap((grid) => grid.reverse()) };
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

/** Taps of a kernel, from 0 on left out, and how many numbers they are from the window's corner. */
function tapsOf(weights, offsetOf) {
  const taps = [];
  weights.forEach((weight, i) => { if (weight !== 0) taps.push([offsetOf(i), weight]); });
  return taps;
}

/** How one grid of weights is summed up: at once, or by columns and then rows. */
function plannedGrid(weights, down, across, layout, white, inOrder) {
  const { pitch, placeOf } = layout, { kernel: rows } = down, { kernel: columns } = across;
  const placeDown = (y) => y * down.dilation * pitch;
  const placeAcross = (x) => placeOf(x * across.dilation);
  const taps = weights.filter((weight) => weight !== 0).length;
  const most = Math.floor(taps / (rows + columns));
  const isSmall = sumOf(weights.map(Math.abs)) * white < 2 ** 40;
  const factors = taps > FEW_TAPS && most > 0 && isSmall && !inOrder
    ? factorsOf(weights, rows, columns, most) : null;
  if (!factors) {
    const placeIn = (i) => placeDown(Math.floor(i / columns)) + placeAcross(i % columns);
    return [{ column: null, row: tapsOf(weights, placeIn) }];
  }
  return factors.map(({ column, row }) => ({
    column: tapsOf(column, placeDown), row: tapsOf(row, placeAcross) }));
}

/** A kernel, ready to be summed up; `precision` says how its sums become raw values. */
function plannedKernel(kernel, bias, white, down, across, isFloat) {
  const whole = integerForm(kernel.weights), form = isFloat ? null : whole;
  const weights = form ? form.integers : kernel.weights;
  const own = kernel.bias.length ? kernel.bias : [0];
  const biases = Array.from({ length: kernel.filters }, (_, m) => own[m % own.length] + bias);
  const divisor = form ? form.divisor : 1;
  const plan = { kernel, form, weights, divisor, biases,
    ...precision(kernel, weights, form, divisor, biases, white, down, across) };
  if (!isFloat) return plan;
  const isExact = whole && Number.isInteger(Math.log2(whole.divisor));
  return { ...plan, isWide: true, keepsQuotient: true, inOrder: false, isExact, unit: 2 ** -53 };
}

/** Choose the precision of the division and of the bias, as the planner of `apply` does. */
function precision(kernel, weights, form, divisor, biases, white, down, across) {
  let least = 0, most = 0, taps = 0;
  const magnitudes = [];
  for (const filter of partsOf(weights, weights.length / kernel.filters)) {
    let above = 0, below = 0;
    for (const weight of filter) {
      if (weight > 0) above += weight; else below += weight;
      if (weight !== 0) taps += 1;
    }
    least = Math.min(least, below * white);
    most = Math.max(most, above * white);
    magnitudes.push(above - below);
  }
  const largest = Math.max(most, -least, ...biases.map(Math.abs));
  const jumps = down.stride > 1 || across.stride > 1;
  const inIntegers = form && !kernel.isBank && !jumps &&
    (taps <= 64 || factorsOf(weights, kernel.rows, kernel.columns, 1));
  const narrow = (least >= -32768 && most <= 32767) || (least >= 0 && most <= 65535);
  const isWide = Boolean(form) && (inIntegers ? !narrow : largest >= 2 ** 24);
  const dyadic = Number.isInteger(Math.log2(divisor));
  const hasBias = biases.some((bias) => bias !== 0);
  const isExact = Boolean(form) &&
    (!hasBias || dyadic || biases.every((bias) => Number.isInteger(bias * 2)));
  return { isWide, hasBias, keepsQuotient: isWide || (inIntegers && !hasBias), isExact,
    unit: 2 ** -24, magnitudes, inOrder: !form && !kernel.isBank && jumps,
    ...doubtOf(kernel, weights, taps, white) };
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
