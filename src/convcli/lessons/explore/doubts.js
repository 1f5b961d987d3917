// Where `apply` may round a pixel to the other side, because its sums depend on the machine.

/**
 * How far a sum of `apply` may be from the exact one: `steps` times the sum of magnitudes, and
 * `spread`, in `unit`s: 2⁻²⁴, or 2⁻⁵³ for 64-bit floats.
 *
 * Each of n additions errs by at most a unit of what is summed up so far, one up and another down:
 * 2·√n of them are six standard deviations. Those of equal weights may all go one way. Large
 * kernels go through Fourier transforms, whose errors depend on the size of all weights and of
 * their sum: 16 units of white were never reached with a single weight of 1.
 */
function doubtOf(kernel, weights, taps, white) {
  const n = taps / kernel.filters, counts = new Map();
  for (const weight of weights) if (weight) counts.set(weight, (counts.get(weight) ?? 0) + 1);
  const isEven = Math.max(0, ...counts.values()) > taps / 2;
  const steps = (isEven ? n : Math.min(n, 2 * Math.sqrt(n))) + 4;
  const total = Math.abs(sumOf(weights));
  const spread = n > 100 ? 8 * white * (Math.hypot(...weights) + total) : 0;
  return { steps, spread };
}

/** How far the raw value of `apply` may be from the exact one, for a sum of magnitudes. */
function doubtAt(plan, magnitude, m) {
  if (plan.isExact) return 0;
  const { steps, spread, divisor, biases, unit, inOrder } = plan;
  // Sums of 32 bits are in doubt themselves.
  const sums = (steps * magnitude + spread) / divisor;
  return (inOrder ? 2 : 1) * unit * (sums + 2 * Math.abs(biases[m]));
}

/** How far the value of `apply` at an output may be from the page's: at most, or just there. */
function doubtIn(result, channel, index, magnitudeOf) {
  const { plans, planes, width } = result, { isBank } = plans[0].kernel, m = isBank ? channel : 0;
  const seen = isBank ? planes.map((_, i) => i) : [channel];
  const patch = magnitudeOf ? null : seen.flatMap((input) => patchAt(
    result, input, index % width, Math.floor(index / width)));
  const here = ({ weights }) => patch.reduce(
    (sum, value, i) => sum + Math.abs(value * weights[m * patch.length + i]), 0);
  return plans.reduce((sum, plan) => sum + doubtAt(plan, (magnitudeOf ?? here)(plan, m), m), 0);
}

/** Whether `apply` may round the pixel of `values[at]` at `index` to the other side. */
function isUnsure(result, at, index) {
  return !result.isExact && isNearTie(result, at, index);
}

/** Whether the pixel would be another one if the sums were added up in another order. */
function isNearTie(result, at, index) {
  const { isFloat, values, rule, white, range, shown, plans } = result;
  const raw = values[at][index], level = range === "shift" ? raw : rule.levelOf(raw);
  // Halves beyond the range of pixels are cut off. A shift comes after rounding.
  const pixel = range === "shift" ? level + rule.middle : level;
  if (pixel < 0 || pixel > white || plans.every((plan) => plan.isExact)) return false;
  const fromTie = Math.abs(level - Math.floor(level) - 0.5);
  const hasEnds = range === "stretch" || range === "balance";
  const scale = hasEnds ? Math.abs(rule.factor) : 1;
  const rounding = 4 * plans[0].unit * (hasEnds ? white : Math.abs(raw));
  const most = doubtIn(result, shown[at], index, (plan, m) => plan.magnitudes[m] * white);
  if (!isFloat && fromTie > 2 * scale * most + rounding) return false;
  const ends = hasEnds ? doubtOfEnds(result, level) : 0;
  return fromTie <= scale * (doubtIn(result, shown[at], index) + ends) + rounding;
}

/** What the ends of a range add to the doubt of a level: the nearer one counts for more. */
function doubtOfEnds(result, level) {
  const { range, rule, white, extremes } = result;
  const [low, high] = extremes.map((end) => doubtIn(result, ...end));
  if (range === "stretch") return low + level / white * (high - low);
  return Math.abs(level - rule.middle) / rule.middle * Math.max(low, high);
}
