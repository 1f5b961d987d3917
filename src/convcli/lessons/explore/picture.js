// The picture: unpacked from the page, and drawn without a change of its numbers.

/** Unpack base64 of zlib of differences along rows: planes of height·width whole numbers. */
async function unpacked(picture) {
  const packed = Uint8Array.from(atob(picture.data), (sign) => sign.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = await new Response(stream).arrayBuffer();
  const Samples = picture.white > 255 ? Uint16Array : Uint8Array;
  const samples = new Samples(bytes), { width, height } = picture;
  for (let start = 0; start < samples.length; start += width) {
    for (let x = 1; x < width; x++) samples[start + x] += samples[start + x - 1];
  }
  return partsOf(samples, width * height);
}

/** Draw one plane as grey, or three as red, green and blue, on a canvas of their size. */
function draw(canvas, planes, width, height, white) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { alpha: false });
  const image = new ImageData(width, height), target = new Uint32Array(image.data.buffer);
  const [red, green, blue] = planes.length === 3 ? planes : [planes[0], planes[0], planes[0]];
  const shift = white > 255 ? 8 : 0;
  for (let i = 0; i < target.length; i++) {
    target[i] = 0xff000000 | (blue[i] >> shift) << 16 | (green[i] >> shift) << 8 |
      red[i] >> shift;
  }
  context.putImageData(image, 0, 0);
}

/** A number for a narrow cell. */
function tight(value) {
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value)) return String(value === 0 ? 0 : value).replace("-", "−");
  const text = Math.abs(value) >= 100 ? value.toFixed(1) : Math.abs(value) >= 1
    ? value.toPrecision(3) : Math.abs(value) < 0.0005 ? "~0"
      : value.toFixed(3).replace(/0+$/, "");
  return text.replace(/^(-?)0\./, "$1.").replace("-", "−");
}

/** A number for a line of text: up to seven digits. */
function told(value) {
  return String(Number(value.toPrecision(7))).replace("-", "−");
}

/** Blue for -1, near-white for 0, red for 1: the colours of convcli's drawings. */
function diverging(value, palette) {
  const place = (Math.min(Math.max(value, -1), 1) + 1) / 2 * (palette.length - 1);
  const lower = Math.min(Math.floor(place), palette.length - 2), part = place - lower;
  return palette[lower].map((a, i) => Math.round(a + (palette[lower + 1][i] - a) * part));
}

function greyColour(level) {
  const value = Math.round(255 * Math.min(Math.max(level, 0), 1));
  return [value, value, value];
}

/** Colours of a cell: its ground, and the ink that reads better on it. */
function paint(cell, [red, green, blue]) {
  cell.style.background = `rgb(${red} ${green} ${blue})`;
  cell.style.color = 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#000" : "#fff";
}

const MOST_CELLS = 15, MOST_NUMBERS = 9, MOST_LARGE = 5;

/** A grid of numbers as a table; with many cells colours only, and the middle of larger ones. */
function gridTable(caption, values, rows, columns, colour, isPadding) {
  const table = document.createElement("table");
  const side = Math.max(rows, columns), hasNumbers = side <= MOST_NUMBERS;
  table.className = `grid${!hasNumbers ? " tiny" : side > MOST_LARGE ? " small" : ""}`;
  const cut = (length) => Math.max(length - MOST_CELLS, 0) >> 1;
  const [top, left] = [cut(rows), cut(columns)];
  const title = table.createCaption();
  title.textContent = top || left ? `${caption} (its middle)` : caption;
  for (let y = top; y < rows - top; y++) {
    const line = table.insertRow();
    for (let x = left; x < columns - left; x++) {
      const cell = line.insertCell(), value = values[y * columns + x];
      if (hasNumbers) cell.textContent = tight(value);
      else cell.title = tight(value);
      if (cell.textContent.length > 4) cell.className = "long";
      paint(cell, colour(value));
      if (isPadding && isPadding(y, x)) {
        cell.classList.add("padding");
        cell.title = "padding";
      }
    }
  }
  return table;
}
