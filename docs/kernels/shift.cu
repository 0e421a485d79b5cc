// One row to the left: cell c of the window takes what lies a row further, and the last
// row of each lane takes the new one. A block moves `block` cells, a thread one: all
// loads, a barrier, all stores.

#define CELL                                                                                                       \
  unsigned cell = number * block + threadIdx.x;                                                                    \
  bool mine = threadIdx.x < block && cell < lanes * rows * dim;                                                    \
  unsigned lane = cell / (rows * dim), at = cell % (rows * dim)

// In place, in one kernel: a block that runs early overwrites what another has yet to
// read, wherever a row and the one before it are not of one block.
extern "C" __global__ void racing(float *x, const float *last, unsigned lanes, unsigned rows, unsigned dim, unsigned block,
                                  const unsigned *order, unsigned *tickets) {
  unsigned number = sf_block(order, tickets);
  CELL;
  float v = 0;
  if (mine)
    v = at < (rows - 1) * dim ? x[cell + dim] : last[lane * dim + at % dim];
  __syncthreads();
  if (mine)
    x[cell] = v;
  sf_done(order, tickets);
}

// Mended: into a temporary, which a second kernel copies back. Between two kernels of
// one stream lies a barrier.
extern "C" __global__ void gather(const float *x, const float *last, float *to, unsigned lanes, unsigned rows, unsigned dim,
                                  unsigned block, const unsigned *order, unsigned *tickets) {
  unsigned number = sf_block(order, tickets);
  CELL;
  if (mine)
    to[cell] = at < (rows - 1) * dim ? x[cell + dim] : last[lane * dim + at % dim];
  sf_done(order, tickets);
}

extern "C" __global__ void copy(float *x, const float *from, unsigned lanes, unsigned rows, unsigned dim, unsigned block,
                                const unsigned *order, unsigned *tickets) {
  unsigned number = sf_block(order, tickets);
  CELL;
  (void)lane, (void)at;
  if (mine)
    x[cell] = from[cell];
  sf_done(order, tickets);
}
