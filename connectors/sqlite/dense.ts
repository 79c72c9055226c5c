import type { CatalogueEntry } from './catalogue.ts';

const SEGMENT_ROWS = 2048;
const FIRST_ROWS = 32;

export interface DenseHit {
  readonly row: number;
  readonly entry: CatalogueEntry;
  readonly score: number;
}

/**
 * The vectors of one tenant, side by side, for an exact scan. Rows stay compact: a removed row's place is taken by the last one, so the
 * scan has no holes to test for. The first segment grows by doubling (a small tenant costs little), further ones come whole.
 */
export class VectorSlab {
  readonly #dimensions: number;
  readonly #segments: Float32Array[] = [];
  readonly #rows: number[] = [];
  readonly #entries: CatalogueEntry[] = [];
  readonly #slots = new Map<number, number>();

  constructor(dimensions: number) {
    this.#dimensions = dimensions;
  }

  get size(): number {
    return this.#rows.length;
  }

  has(row: number): boolean {
    return this.#slots.has(row);
  }

  /** `vector` as it lies in the file: little-endian float32, of any alignment. */
  put(row: number, entry: CatalogueEntry, vector: Uint8Array): void {
    let slot = this.#slots.get(row);
    if (slot === undefined) {
      slot = this.#rows.length;
      this.#grow(slot);
      this.#rows.push(row);
      this.#entries.push(entry);
      this.#slots.set(row, slot);
    }
    this.#entries[slot] = entry;
    const target = this.#at(slot);
    new Uint8Array(target.buffer, target.byteOffset, target.byteLength).set(vector);
  }

  /** A copy of a row's vector, as bytes. */
  bytes(row: number): Uint8Array | undefined {
    const slot = this.#slots.get(row);
    return slot === undefined ? undefined : new Uint8Array(this.#at(slot).slice().buffer);
  }

  remove(row: number): void {
    const slot = this.#slots.get(row);
    if (slot === undefined) return;
    const last = this.#rows.length - 1;
    const lastRow = this.#rows[last]!;
    if (slot !== last) {
      this.#at(slot).set(this.#at(last));
      this.#rows[slot] = lastRow;
      this.#entries[slot] = this.#entries[last]!;
      this.#slots.set(lastRow, slot);
    }
    this.#rows.pop();
    this.#entries.pop();
    this.#slots.delete(row);
    if (last % SEGMENT_ROWS === 0 && last > 0) this.#segments.pop();
  }

  /** Cosine of every row whose document passes; NaN for the others. Order is the slab's own. */
  scores(query: Float32Array, passes: (entry: CatalogueEntry) => boolean): Float32Array {
    const scores = new Float32Array(this.size).fill(Number.NaN);
    const dimensions = this.#dimensions;
    for (let base = 0, part = 0; base < this.size; base += SEGMENT_ROWS, part++) {
      const segment = this.#segments[part]!;
      const end = Math.min(base + SEGMENT_ROWS, this.size);
      for (let slot = base; slot < end; slot++) {
        if (passes(this.#entries[slot]!)) scores[slot] = dot(query, segment, (slot - base) * dimensions, dimensions);
      }
    }
    return scores;
  }

  /** The `count` best of {@link scores}, best first; equal scores in the order of their rows. */
  best(scores: Float32Array, count: number): readonly DenseHit[] {
    const heap: number[] = [];
    const worse = (a: number, b: number): boolean => {
      const difference = scores[a]! - scores[b]!;
      return difference < 0 || (difference === 0 && this.#rows[a]! > this.#rows[b]!);
    };
    for (let slot = 0; slot < scores.length; slot++) {
      if (Number.isNaN(scores[slot]!)) continue;
      if (heap.length < count) {
        heap.push(slot);
        siftUp(heap, worse);
      } else if (worse(heap[0]!, slot)) {
        heap[0] = slot;
        siftDown(heap, worse);
      }
    }
    return heap
      .sort((a, b) => (worse(a, b) ? 1 : -1))
      .map((slot) => ({ row: this.#rows[slot]!, entry: this.#entries[slot]!, score: scores[slot]! }));
  }

  #at(slot: number): Float32Array {
    const offset = (slot % SEGMENT_ROWS) * this.#dimensions;
    return this.#segments[Math.floor(slot / SEGMENT_ROWS)]!.subarray(offset, offset + this.#dimensions);
  }

  #grow(slot: number): void {
    const part = Math.floor(slot / SEGMENT_ROWS);
    const needed = ((slot % SEGMENT_ROWS) + 1) * this.#dimensions;
    const present = this.#segments[part];
    if (present !== undefined && present.length >= needed) return;
    const rows =
      part > 0
        ? SEGMENT_ROWS
        : Math.min(SEGMENT_ROWS, Math.max(FIRST_ROWS, (2 * (present?.length ?? 0)) / this.#dimensions));
    const segment = new Float32Array(rows * this.#dimensions);
    if (present !== undefined) segment.set(present);
    this.#segments[part] = segment;
  }
}

/** Four sums at once: they do not wait for each other, which is worth a factor of three in V8. */
function dot(query: Float32Array, segment: Float32Array, offset: number, dimensions: number): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let i = 0;
  for (; i + 3 < dimensions; i += 4) {
    a += query[i]! * segment[offset + i]!;
    b += query[i + 1]! * segment[offset + i + 1]!;
    c += query[i + 2]! * segment[offset + i + 2]!;
    d += query[i + 3]! * segment[offset + i + 3]!;
  }
  for (; i < dimensions; i++) a += query[i]! * segment[offset + i]!;
  return a + b + c + d;
}

/** A heap whose first element is the worst. */
function siftUp(heap: number[], worse: (a: number, b: number) => boolean): void {
  let child = heap.length - 1;
  while (child > 0) {
    const parent = (child - 1) >> 1;
    if (!worse(heap[child]!, heap[parent]!)) return;
    [heap[child], heap[parent]] = [heap[parent]!, heap[child]!];
    child = parent;
  }
}

function siftDown(heap: number[], worse: (a: number, b: number) => boolean): void {
  let parent = 0;
  for (;;) {
    const left = 2 * parent + 1;
    if (left >= heap.length) return;
    const right = left + 1;
    const child = right < heap.length && worse(heap[right]!, heap[left]!) ? right : left;
    if (!worse(heap[child]!, heap[parent]!)) return;
    [heap[child], heap[parent]] = [heap[parent]!, heap[child]!];
    parent = child;
  }
}
