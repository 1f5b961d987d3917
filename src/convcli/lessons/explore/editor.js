// The kernel's weights, which are edited in place.

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
  const title = page.edited ? "kernel, edited" : page.operand.name;
  $("kernel-title").textContent = title;
  $("name").textContent = page.edited ? "Edited kernel" : page.operand.name;
  const bias = own.length ? ` Its own bias: ${own.map(told).join(", ")}.` : "";
  const zero = isZeroSum(kernel);
  $("kernel-says").textContent = `${page.edited ? "" : `${page.operand.about}. `}` +
    (kernel.isBank ? `A bank: ${kernel.filters} maps of ${kernel.inputs} channels.`
      : `Sum ${zero ? 0 : told(sumOf(kernel.weights))}${zero ? ": flat areas give 0." : "."}`) + bias;
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
    const top = ((rows - 1) >> 1) - ((kernel.rows - 1) >> 1);
    const left = ((columns - 1) >> 1) - ((kernel.columns - 1) >> 1);
    const weights = partsOf(kernel.weights, kernel.rows * kernel.columns).flatMap(
      (grid) => Array.from({ length: rows * columns }, (_, i) => {
        const [row, column] = [Math.floor(i / columns) - top, (i % columns) - left];
        const inside = row >= 0 && column >= 0 && row < kernel.rows && column < kernel.columns;
        return inside ? grid[row * kernel.columns + column] : 0;
      }));
    return { ...kernel, rows, columns, weights };
  });
  page.edited = true;
  const focused = document.activeElement;
  showEditor();
  touched();
  focused?.focus();
}
