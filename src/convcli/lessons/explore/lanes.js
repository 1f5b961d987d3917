// The inner loop: weighted values are added up, several at a time.
//
// JavaScript adds two numbers at a time; WebAssembly, which every browser has, adds vectors of
// 16 bytes. The loop is so small that it is written here as its instructions. It rounds each
// product and each sum, as JavaScript and NumPy do. Where a page may not have WebAssembly, the
// same loop in JavaScript gives the same numbers.

const VECTOR = 16, TOGETHER = 8, BLOCK = VECTOR * TOGETHER;

/** A whole number in the form that WebAssembly has: 7 bits a byte, the lowest first. */
function packed(number) {
  const bytes = [];
  for (;; number >>= 7) {
    const isLast = number >= -64 && number < 64;
    bytes.push(isLast ? number & 127 : (number & 127) | 128);
    if (isLast) return bytes;
  }
}

/** The same for a number that is never negative. */
function packedSize(number) {
  return number < 128 ? [number] : [(number & 127) | 128, ...packedSize(number >> 7)];
}

/**
 * The bytes of a module with one function, `sum(target, source, taps, end, blocks)`, which adds
 * to `blocks` blocks of numbers at `target`. From `taps` to `end` each 16 bytes are a tap: how
 * far from `source` its numbers begin, and from the eighth byte on its weight. All are
 * addresses in bytes, in a memory that is imported. `size` is 8 for 64-bit floats, 4 for 32.
 */
function moduleOf(size) {
  const [TARGET, SOURCE, TAPS, END, BLOCKS, TAP, PLACE, WEIGHT, SUM] = Array(9).keys();
  const get = (local) => [0x20, local], set = (local) => [0x21, local];
  const LOOP = [0x03, 0x40], AGAIN = [0x0d, 0], STOP = 0x0b, PLUS = 0x6a, IS_BELOW = 0x49;
  const vector = (code, ...rest) => [0xfd, ...packedSize(code), ...rest];
  const isWide = size === 8;
  const add = vector(isWide ? 0xf0 : 0xe4), multiply = vector(isWide ? 0xf2 : 0xe6);
  const repeated = vector(isWide ? 0x0a : 0x09, 2, 8);
  const load = (k) => vector(0x00, 2, ...packedSize(VECTOR * k));
  const store = (k) => vector(0x0b, 2, ...packedSize(VECTOR * k));
  const move = (local, by) => [get(local), 0x41, packed(by), PLUS, set(local)];
  const each = (made) => Array.from({ length: TOGETHER }, (_, k) => made(k));

  const code = [
    LOOP,
    each((k) => [get(TARGET), load(k), set(SUM + k)]),
    get(TAPS), set(TAP),
    LOOP,
    get(SOURCE), get(TAP), [0x28, 2, 0], PLUS, set(PLACE),
    get(TAP), repeated, set(WEIGHT),
    each((k) => [get(SUM + k), get(PLACE), load(k), get(WEIGHT), multiply, add, set(SUM + k)]),
    move(TAP, VECTOR), get(TAP), get(END), IS_BELOW, AGAIN,
    STOP,
    each((k) => [get(TARGET), get(SUM + k), store(k)]),
    move(TARGET, BLOCK), move(SOURCE, BLOCK), move(BLOCKS, -1), get(BLOCKS), AGAIN,
    STOP, STOP,
  ].flat(Infinity);

  const [I32, V128] = [0x7f, 0x7b], name = [1, "m".charCodeAt(0)];
  const body = [2, 2, I32, 1 + TOGETHER, V128, ...code];
  const section = (id, content) => [id, ...packedSize(content.length), ...content];
  return Uint8Array.from([
    0, ...[..."asm"].map((sign) => sign.charCodeAt(0)), 1, 0, 0, 0,
    ...section(1, [1, 0x60, 5, I32, I32, I32, I32, I32, 0]), // five integers, no answer
    ...section(2, [1, ...name, ...name, 2, 0, 1]), // the memory, of at least one page
    ...section(3, [1, 0]),
    ...section(7, [1, ...name, 0, 0]), // the function by its name
    ...section(10, [1, ...packedSize(body.length), ...body]),
  ]);
}

/** Memory of numbers of 8 or 4 bytes, and the loop that adds them up. */
class Lanes {
  static of(size) {
    Lanes.made ??= {};
    return Lanes.made[size] ??= new Lanes(size);
  }

  constructor(size) {
    this.size = size;
    this.top = this.kept = 0;
    try {
      this.memory = new WebAssembly.Memory({ initial: 1 });
      const module = new WebAssembly.Module(moduleOf(size));
      this.sum = new WebAssembly.Instance(module, { m: { m: this.memory } }).exports.m;
    } catch {
      this.memory = null;
      this.sum = this.plainSum;
    }
    this.see(this.memory ? this.memory.buffer : new ArrayBuffer(BLOCK));
  }

  see(buffer) {
    this.numbers = this.size === 8 ? new Float64Array(buffer) : new Float32Array(buffer);
    this.integers = new Int32Array(buffer);
  }

  /** The address of room for some numbers, and a block more: the loop ends with a whole block. */
  take(count) {
    const start = this.top, page = 65536;
    this.top += Math.ceil((count * this.size) / BLOCK + 1) * BLOCK;
    const missing = this.top + BLOCK - this.numbers.byteLength;
    if (missing > 0 && this.memory) {
      this.memory.grow(Math.ceil(missing / page));
      this.see(this.memory.buffer);
    } else if (missing > 0) {
      const larger = new Uint8Array(2 * this.top + BLOCK);
      larger.set(new Uint8Array(this.numbers.buffer));
      this.see(larger.buffer);
    }
    return start;
  }

  /** The numbers at an address. */
  at(address, count) {
    return this.numbers.subarray(address / this.size, address / this.size + count);
  }

  /** Write taps, of which each is [how many numbers from the source, its weight]. */
  takeTaps(taps) {
    const given = taps.length ? taps : [[0, 0]];
    const start = this.take((given.length * VECTOR) / this.size);
    given.forEach(([offset, weight], i) => {
      this.integers[(start + i * VECTOR) / 4] = offset * this.size;
      this.numbers[(start + i * VECTOR + 8) / this.size] = weight;
    });
    return { start, end: start + given.length * VECTOR };
  }

  plainSum(target, source, taps, end, blocks) {
    const { numbers, integers, size } = this, at = target / size, [W, S] = [8 / size, VECTOR / size];
    const rounded = size === 8 ? (number) => number : Math.fround;
    for (let i = 0; i < (blocks * BLOCK) / size; i += 4) {
      let [a, b, c, d] = numbers.subarray(at + i, at + i + 4), from = source / size + i;
      for (let tap = taps / size; tap < end / size; tap += S) {
        const weight = numbers[tap + W], place = from + integers[(tap * size) >> 2] / size;
        a = rounded(a + rounded(weight * numbers[place]));
        b = rounded(b + rounded(weight * numbers[place + 1]));
        c = rounded(c + rounded(weight * numbers[place + 2]));
        d = rounded(d + rounded(weight * numbers[place + 3]));
      }
      numbers.set([a, b, c, d], at + i);
    }
  }
}
