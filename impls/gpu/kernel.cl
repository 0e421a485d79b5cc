// Runs traces. The preludes give OpenCL C and CUDA C the same words:
//
//   KERNEL GLOBAL SHARED INLINE   qualifiers; RECORD, a record in shared memory
//   GROUP LOCAL LSIZE BARRIER     indices, the barrier of a group
//   FENCE                         acquire and release at device scope
//   ADD MIN SWAP                  atomic operations on a global uint
//   LOAD4                         16 bytes that another group may have written
//
// prog holds, in words of 32 bits, a record for each slot (an independent
// trace), then what the records point to. words.go writes it.

// Of a slot. Bases are in units of 16 bytes.
#define S_BASE 0     // of its storages
#define S_SIZE 1     // bytes an element
#define S_STEPS 2    // where its steps are
#define S_COUNT 3    // how many
#define S_HEADS 4
#define S_LANES 5
#define S_DIM 6
#define S_CODES 7    // the closed form of a cell, see impls.Code
#define S_HALF 8
#define S_LOW 9
#define S_HIGH 10
#define S_OFFSETS 11
#define S_SCRATCH 12 // base of a buffer for blocks too large for registers
#define SLOT 16

// Of a step.
#define T_KIND 0
#define T_END 1     // blocks of the slot's steps up to and with this one
#define T_BLOCKS 2
#define T_COPIES 3  // Move: cell, to, from, n of each copy
#define T_NCOPIES 4
#define T_BLOCK 5
#define T_CELLS 6
#define T_ORDER 7   // order of the blocks, 0 for ascending
#define T_AT 3      // Fill, Check: first element of the storage
#define T_LANE 4    // strides in elements
#define T_ROW 5
#define T_FROM 6
#define T_TO 7
#define T_LABELS 8
#define T_LABELSTRIDE 9 // labels a batch entry, 0 where all share them
#define T_TENSOR 10
#define T_PER 11    // rows, of all lanes, a block
#define STEP 16

// Of a slot's state.
#define W_WRONG 0 // wrong cells
#define W_STEP 1  // the step that found them
#define W_FIRST 2 // the first of them
#define STATE 4

#define TICKETS 16 // words from one pair of tickets to the next: a cache line
#define EMPTY 0xffffffffu
#define KEEP 8 // elements of a block that a work-item keeps in registers

INLINE uint load(GLOBAL volatile uchar *mem, ulong base, uint at, uint size)
{
  GLOBAL volatile uchar *p = mem + base + (ulong)at * size;
  if (size == 4)
    return *(GLOBAL volatile uint *)p;
  if (size == 2)
    return *(GLOBAL volatile ushort *)p;
  return *p;
}

INLINE void store(GLOBAL volatile uchar *mem, ulong base, uint at, uint size, uint bits)
{
  GLOBAL volatile uchar *p = mem + base + (ulong)at * size;
  if (size == 4)
    *(GLOBAL volatile uint *)p = bits;
  else if (size == 2)
    *(GLOBAL volatile ushort *)p = (ushort)bits;
  else
    *p = (uchar)bits;
}

// The copy that a cell belongs to.
INLINE GLOBAL const uint *copyOf(GLOBAL const uint *copies, uint n, uint cell)
{
  uint lo = 0, hi = n;
  while (hi - lo > 1) {
    uint mid = (lo + hi) / 2;
    if (copies[4 * mid] <= cell)
      lo = mid;
    else
      hi = mid;
  }
  return copies + 4 * lo;
}

// One block: all its loads, a barrier, all its stores. A cell between two
// copies belongs to none.
INLINE void move(GLOBAL uchar *mem, GLOBAL const uint *prog, RECORD s, RECORD t, uint b)
{
  ulong base = (ulong)s[S_BASE] * 16, scratch = (ulong)s[S_SCRATCH] * 16;
  uint size = s[S_SIZE], n = t[T_NCOPIES];
  GLOBAL const uint *copies = prog + t[T_COPIES];
  uint lo = b * t[T_BLOCK], hi = lo + t[T_BLOCK];
  if (hi > t[T_CELLS] || hi < lo)
    hi = t[T_CELLS];
  if (hi - lo <= KEEP * LSIZE) {
    uint kept[KEEP];
    for (uint k = 0; k < KEEP; k++) {
      uint cell = lo + LOCAL + k * LSIZE;
      if (cell < hi) {
        GLOBAL const uint *c = copyOf(copies, n, cell);
        if (cell - c[0] < c[3])
          kept[k] = load(mem, base, c[2] + cell - c[0], size);
      }
    }
    BARRIER;
    for (uint k = 0; k < KEEP; k++) {
      uint cell = lo + LOCAL + k * LSIZE;
      if (cell < hi) {
        GLOBAL const uint *c = copyOf(copies, n, cell);
        if (cell - c[0] < c[3])
          store(mem, base, c[1] + cell - c[0], size, kept[k]);
      }
    }
    return;
  }
  for (uint cell = lo + LOCAL; cell < hi; cell += LSIZE) {
    GLOBAL const uint *c = copyOf(copies, n, cell);
    if (cell - c[0] < c[3])
      store(mem, scratch, cell, size, load(mem, base, c[2] + cell - c[0], size));
  }
  BARRIER;
  for (uint cell = lo + LOCAL; cell < hi; cell += LSIZE) {
    GLOBAL const uint *c = copyOf(copies, n, cell);
    if (cell - c[0] < c[3])
      store(mem, base, c[1] + cell - c[0], size, load(mem, scratch, cell, size));
  }
}

// The bits of number a + b modulo the number of codes, both below it. n - codes
// wraps to a large number exactly where n is below codes.
INLINE uint bitsOf(RECORD s, uint a, uint b)
{
  uint n = a + b;
  n = min(n, n - s[S_CODES]);
  return n < s[S_HALF] ? s[S_LOW] + n : s[S_HIGH] + (n - s[S_HALF]);
}

// The bits that an element of a row has. offset is that of its lane's first.
INLINE uint cellOf(RECORD s, GLOBAL const uint *offsets, uint size, uint tensor, uint label, uint e)
{
  if (label == EMPTY)
    return 0;
  if (size == 4)
    return tensor << 31 | bitsOf(s, label, e);
  return bitsOf(s, label, offsets[e]);
}

// Which lane and row a block's row u is: the axis with the smaller stride runs
// faster.
INLINE void place(RECORD s, RECORD t, uint u, uint *lane, uint *row)
{
  uint n = t[T_TO] - t[T_FROM];
  if (t[T_ROW] > t[T_LANE]) {
    *row = t[T_FROM] + u / s[S_LANES];
    *lane = u % s[S_LANES];
  } else {
    *lane = u / n;
    *row = t[T_FROM] + u % n;
  }
}

// The label of a row. For four-byte cells it is the number of the row's first
// cell, else the row's distance from position 0.
INLINE uint labelOf(GLOBAL const uint *prog, RECORD s, RECORD t, uint lane, uint row)
{
  uint label = prog[t[T_LABELS] + lane / s[S_HEADS] * t[T_LABELSTRIDE] + row - t[T_FROM]];
  if (label == EMPTY || s[S_SIZE] != 4)
    return label;
  label += lane * s[S_DIM];
  return min(label, label - s[S_CODES]);
}

INLINE void report(GLOBAL uint *state, uint step, uint first, uint wrong)
{
  if (wrong == 0)
    return;
  state[W_STEP] = step;
  FENCE; // whoever sees that cells are wrong must see in which step
  MIN(state + W_FIRST, first);
  ADD(state + W_WRONG, wrong);
}

// Cell by cell, whatever the strides.
INLINE void rows(GLOBAL uchar *mem, GLOBAL const uint *prog, RECORD s, RECORD t, uint b, uint step, GLOBAL uint *state)
{
  ulong base = (ulong)s[S_BASE] * 16;
  uint size = s[S_SIZE], dim = s[S_DIM], tensor = t[T_TENSOR];
  uint total = s[S_LANES] * (t[T_TO] - t[T_FROM]);
  uint lo = b * t[T_PER], hi = min(lo + t[T_PER], total);
  uint wrong = 0, first = EMPTY;
  for (uint i = LOCAL; i < (hi - lo) * dim; i += LSIZE) {
    uint lane, row, e = i % dim;
    place(s, t, lo + i / dim, &lane, &row);
    uint label = labelOf(prog, s, t, lane, row);
    uint bits = cellOf(s, prog + s[S_OFFSETS] + (tensor * s[S_LANES] + lane) * dim, size, tensor, label, e);
    uint at = lane * t[T_LANE] + row * t[T_ROW] + e;
    if (t[T_KIND] == 1) {
      store(mem, base, t[T_AT] + at, size, bits);
    } else if (load(mem, base, t[T_AT] + at, size) != bits) {
      wrong++;
      first = min(first, at);
    }
  }
  report(state, step, first, wrong);
}

// What a 16-byte word of a row must hold. off is what depends on the lane alone,
// which a work-item keeps: offN makes it of the offsets of the word's cells (from
// cell e of the row), wantN the word of it and the row's label.
INLINE void off4(uint *off, GLOBAL const uint *offsets, uint e)
{
  UNROLL for (uint i = 0; i < 4; i++) off[i] = e + i;
}

INLINE void want4(uint *want, const uint *off, uint base, uint codes, uint turn, uint low, uint high, uint tensor)
{
  UNROLL for (uint i = 0; i < 4; i++)
  {
    uint n = base + off[i];
    n = min(n, n - codes);
    want[i] = (n + (n < turn ? low : high)) | tensor << 31;
  }
}

INLINE void off2(uint *off, GLOBAL const uint *offsets, uint e)
{
  UNROLL for (uint i = 0; i < 8; i++) off[i] = offsets[i];
}

INLINE void want2(uint *want, const uint *off, uint base, uint codes, uint turn, uint low, uint high, uint tensor)
{
  UNROLL for (uint i = 0; i < 4; i++)
  {
    uint a = base + off[2 * i], b = base + off[2 * i + 1];
    a = min(a, a - codes);
    b = min(b, b - codes);
    want[i] = (a + (a < turn ? low : high)) | (b + (b < turn ? low : high)) << 16;
  }
}

// Bytes, four of which share a word, are reckoned two at a time, in the halves of
// a word: those of even number and those of odd.
#define EACH 0x00010001u
#define BYTES 0x00ff00ffu

INLINE void off1(uint *off, GLOBAL const uint *offsets, uint e)
{
  UNROLL for (uint i = 0; i < 8; i++)
  {
    GLOBAL const uint *o = offsets + i / 2 * 4 + i % 2;
    off[i] = o[0] | o[2] << 16;
  }
}

// 1 in each half whose number has reached a bound of 256 at most: with what is
// missing of the bound to 256 added, bit 8 says so.
INLINE uint reached(uint n, uint missing)
{
  return ((n + missing * EACH) >> 8) & EACH;
}

INLINE uint numbersOf(uint n, uint codes)
{
  return n + reached(n, 256 - codes) * (256 - codes); // and 256 is as good as nothing
}

INLINE void want1(uint *want, const uint *off, uint base, uint codes, uint turn, uint low, uint high, uint tensor)
{
  UNROLL for (uint i = 0; i < 4; i++)
  {
    uint even = numbersOf(off[2 * i] + base * EACH, codes);
    uint odd = numbersOf(off[2 * i + 1] + base * EACH, codes);
    want[i] = ((even + low * EACH) & BYTES) | ((odd + low * EACH) & BYTES) << 8;
  }
}

// Of bytes whose codes are in two ranges. A branch in want1 would cost U8, which
// has one, half its speed.
INLINE uint inRange(uint n, uint turn, uint low, uint high)
{
  n &= BYTES;
  return (n + reached(n, 256 - turn) * ((high - low) & 255) + low * EACH) & BYTES;
}

INLINE void want1in2(uint *want, const uint *off, uint base, uint codes, uint turn, uint low, uint high, uint tensor)
{
  UNROLL for (uint i = 0; i < 4; i++)
  {
    uint even = numbersOf(off[2 * i] + base * EACH, codes);
    uint odd = numbersOf(off[2 * i + 1] + base * EACH, codes);
    want[i] = inRange(even, turn, low, high) | inRange(odd, turn, low, high) << 8;
  }
}

// The same check for rows of whole 16-byte words: a work-item keeps to one word
// of the row, so that what depends on the lane alone stays in registers. Where
// a lane's rows follow each other it asks for several before it looks at the
// first, to keep memory busy.
#define AHEAD 4
#define CHECK_WORDS(NAME, SIZE, KEPT, WANT)                                                                            \
  INLINE void NAME(GLOBAL uchar *mem, GLOBAL const uint *prog, RECORD s, RECORD t, uint b, uint step,                  \
                          GLOBAL uint *state)                                                                          \
  {                                                                                                                    \
    const uint size = SIZE, cells = 16 / SIZE;                                                                         \
    uint dim = s[S_DIM], lanes = s[S_LANES], heads = s[S_HEADS], tensor = t[T_TENSOR], words = dim / cells;            \
    uint codes = s[S_CODES], turn = s[S_HALF], low = s[S_LOW], high = s[S_HIGH] - s[S_HALF];                           \
    uint from = t[T_FROM], rows = t[T_TO] - from, laneStride = t[T_LANE], rowStride = t[T_ROW];                        \
    uint labelStride = t[T_LABELSTRIDE], lo = b * t[T_PER], hi = min(lo + t[T_PER], lanes * rows);                     \
    uint word = LOCAL % words, per = LSIZE / words, known = EMPTY, wrong = 0, first = EMPTY;                           \
    GLOBAL const uint *offsets = prog + s[S_OFFSETS] + tensor * lanes * dim + word * cells;                            \
    GLOBAL const uint *labels = prog + t[T_LABELS];                                                                    \
    GLOBAL const uchar *x = mem + (ulong)s[S_BASE] * 16 + (ulong)t[T_AT] * size;                                       \
    uint off[KEPT], inLane = 0;                                                                                        \
    /* The axis with the smaller stride runs faster. */                                                                \
    bool rowsRun = rowStride <= laneStride;                                                                            \
    uint inner = rowsRun ? rows : lanes, ahead = (AHEAD - 1) * per;                                                    \
    uint u = lo + LOCAL / words, in = u % inner, out = u / inner;                                                      \
    if (LOCAL >= per * words)                                                                                          \
      u = hi;                                                                                                          \
    while (u < hi) {                                                                                                   \
      uint4 got[AHEAD];                                                                                                \
      uint label[AHEAD], row = rowsRun ? in : out, lane = rowsRun ? out : in, count = 1;                               \
      uint at = lane * laneStride + (row + from) * rowStride + word * cells, next = per * rowStride;                   \
      GLOBAL const uchar *p = x + (ulong)at * size;                                                                    \
      GLOBAL const uint *l = labels + (labelStride ? lane / heads * labelStride : 0) + row;                            \
      if (rowsRun && u + ahead < hi && in + ahead < inner) {                                                           \
        count = AHEAD;                                                                                                 \
        UNROLL for (uint k = 0; k < AHEAD; k++)                                                                        \
        {                                                                                                              \
          got[k] = LOAD4(p + (ulong)(k * next) * size);                                                                \
          label[k] = l[k * per];                                                                                       \
        }                                                                                                              \
      } else {                                                                                                         \
        got[0] = LOAD4(p);                                                                                             \
        label[0] = l[0];                                                                                               \
      }                                                                                                                \
      if (lane != known) {                                                                                             \
        known = lane;                                                                                                  \
        inLane = size == 4 ? lane * dim : 0;                                                                           \
        off##SIZE(off, offsets + lane * dim, word * cells);                                                            \
      }                                                                                                                \
      UNROLL for (uint k = 0; k < AHEAD; k++)                                                                          \
      {                                                                                                                \
        if (k == count)                                                                                                \
          break;                                                                                                       \
        uint base = label[k];                                                                                          \
        uint want[4] = {0, 0, 0, 0};                                                                                   \
        if (base != EMPTY) {                                                                                           \
          if (size == 4) {                                                                                             \
            base += inLane;                                                                                            \
            base = min(base, base - codes);                                                                            \
          }                                                                                                            \
          WANT(want, off, base, codes, turn, low, high, tensor);                                                       \
        }                                                                                                              \
        uint same = (got[k].x ^ want[0]) | (got[k].y ^ want[1]) | (got[k].z ^ want[2]) | (got[k].w ^ want[3]);         \
        if (same) {                                                                                                    \
          uint have[4] = {got[k].x, got[k].y, got[k].z, got[k].w};                                                     \
          for (uint i = cells; i-- > 0;) {                                                                             \
            uint shift = i % (4 / size) * 8 * size;                                                                    \
            uint d = (have[i / (4 / size)] ^ want[i / (4 / size)]) >> shift;                                           \
            if (size == 4 ? d : d & ((1u << 8 * (size & 3)) - 1)) {                                                    \
              wrong++;                                                                                                 \
              first = min(first, at + k * next + i);                                                                   \
            }                                                                                                          \
          }                                                                                                            \
        }                                                                                                              \
      }                                                                                                                \
      u += count * per;                                                                                                \
      in += count * per;                                                                                               \
      while (in >= inner) {                                                                                            \
        in -= inner;                                                                                                   \
        out++;                                                                                                         \
      }                                                                                                                \
    }                                                                                                                  \
    report(state, step, first, wrong);                                                                                 \
  }

CHECK_WORDS(check4, 4, 4, want4)
CHECK_WORDS(check2, 2, 8, want2)
CHECK_WORDS(check1, 1, 8, want1)
CHECK_WORDS(check1in2, 1, 8, want1in2)

// Whether the rows of a Check are whole 16-byte words that a group covers.
INLINE bool aligned(RECORD s, RECORD t)
{
  uint size = s[S_SIZE], words = s[S_DIM] * size / 16;
  return s[S_DIM] * size % 16 == 0 && t[T_LANE] * size % 16 == 0 && t[T_ROW] * size % 16 == 0 && words <= LSIZE;
}

INLINE void work(GLOBAL uchar *mem, GLOBAL const uint *prog, RECORD s, RECORD t, uint step, uint b, GLOBAL uint *state)
{
  if (t[T_KIND] == 3) { // never ends: what a hang looks like
    while (*(GLOBAL volatile uint *)(state + W_FIRST) == EMPTY)
      ;
  } else if (t[T_KIND] == 0)
    move(mem, prog, s, t, b);
  else if (t[T_KIND] == 1 || !aligned(s, t))
    rows(mem, prog, s, t, b, step, state);
  else if (s[S_SIZE] == 4)
    check4(mem, prog, s, t, b, step, state);
  else if (s[S_SIZE] == 2)
    check2(mem, prog, s, t, b, step, state);
  else if (s[S_HALF] == s[S_CODES])
    check1(mem, prog, s, t, b, step, state);
  else
    check1in2(mem, prog, s, t, b, step, state);
}

// With tickets a group takes the next ticket of its slot when it starts, waits
// until the one before has been passed on, and does the block whose turn it
// is. A ticket belongs to a running group, so the lowest open one always
// advances: no deadlock, however few groups run at once.
//
// With groups, group g works for slot groups[g] and the tickets number the
// blocks of all its steps; without, slot 0 does step `one` alone.
KERNEL void slots(GLOBAL uchar *mem, GLOBAL const uint *prog, GLOBAL const uint *groups, GLOBAL uint *states,
                  GLOBAL uint *tickets, uint grouped, uint ticketed, uint one)
{
  // The ticket, the step, what went wrong before; then the records of the slot
  // and the step, which are fetched before the wait.
  SHARED uint shared[4], s[SLOT], t[STEP];
  uint slot = grouped ? groups[GROUP] : 0;
  GLOBAL const uint *record = prog + slot * SLOT;
  GLOBAL uint *state = states + slot * STATE;
  GLOBAL uint *pair = tickets + (ulong)(grouped ? slot : one) * TICKETS;
  GLOBAL const uint *steps = prog + record[S_STEPS];
  if (LOCAL == 0) {
    uint turn = ticketed ? ADD(pair, 1) : GROUP, step = one;
    if (grouped) {
      uint lo = 0, hi = record[S_COUNT];
      while (lo < hi) { // the first step that ends behind this ticket
        uint mid = (lo + hi) / 2;
        if (steps[mid * STEP + T_END] > turn)
          hi = mid;
        else
          lo = mid + 1;
      }
      step = lo;
    }
    shared[0] = turn;
    shared[1] = step;
  }
  BARRIER;
  uint turn = shared[0], step = shared[1];
  for (uint i = LOCAL; i < SLOT + STEP; i += LSIZE) {
    if (i < SLOT)
      s[i] = record[i];
    else
      t[i - SLOT] = steps[step * STEP + i - SLOT];
  }
  BARRIER;
  uint b = grouped ? turn - (t[T_END] - t[T_BLOCKS]) : turn;
  if (ticketed && t[T_KIND] == 0 && t[T_ORDER] != 0)
    b = prog[t[T_ORDER] + b];
  if (LOCAL == 0) {
    if (ticketed)
      while (*(GLOBAL volatile uint *)(pair + 1) != turn)
        ;
    FENCE;
    shared[2] = *(GLOBAL volatile uint *)(state + W_WRONG);
    shared[3] = *(GLOBAL volatile uint *)(state + W_STEP);
  }
  BARRIER;
  FENCE;
  // After a wrong cell only the check that found it goes on, so that memory
  // stays as it was.
  if (shared[2] == 0 || (t[T_KIND] == 2 && step == shared[3]))
    work(mem, prog, s, t, step, b, state);
  FENCE;
  BARRIER;
  if (LOCAL == 0 && ticketed)
    SWAP(pair + 1, turn + 1);
}

// The ceiling of the check: reads 16-byte words and keeps nothing.
KERNEL void readall(GLOBAL const uint4 *mem, GLOBAL uint *out, ulong words)
{
  uint sum = 0;
  for (ulong i = (ulong)GROUP * LSIZE + LOCAL; i < words; i += (ulong)GROUPS * LSIZE) {
    uint4 v = mem[i];
    sum |= v.x ^ v.y ^ v.z ^ v.w;
  }
  if (sum == 0x12345678u)
    out[0] = sum;
}

// A kernel of a trace with one work-item a block and no order, for a judge that
// looks at every access.
#define JUDGED 64 // cells a block
KERNEL void judged(GLOBAL uchar *mem, GLOBAL const uint *prog, uint step)
{
  GLOBAL const uint *t = prog + prog[S_STEPS] + step * STEP;
  GLOBAL const uint *copies = prog + t[T_COPIES];
  uint size = prog[S_SIZE], n = t[T_NCOPIES], kept[JUDGED];
  uint lo = (GROUP * LSIZE + LOCAL) * t[T_BLOCK], hi = min(lo + t[T_BLOCK], t[T_CELLS]);
  for (uint cell = lo; cell < hi; cell++) {
    GLOBAL const uint *c = copyOf(copies, n, cell);
    if (cell - c[0] < c[3])
      kept[cell - lo] = load(mem, 0, c[2] + cell - c[0], size);
  }
  for (uint cell = lo; cell < hi; cell++) {
    GLOBAL const uint *c = copyOf(copies, n, cell);
    if (cell - c[0] < c[3])
      store(mem, 0, c[1] + cell - c[0], size, kept[cell - lo]);
  }
}
