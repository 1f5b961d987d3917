// The pointer and the keys, which move the window, and the slide that plays.

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
