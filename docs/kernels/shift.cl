// One row to the left: cell c of the window takes what lies a row further, and the last
// row of each lane takes the new one. A block moves `block` cells, a work-item one: all
// loads, a barrier, all stores.

#define CELL uint cell = number * block + get_local_id(0); \
             bool mine = get_local_id(0) < block && cell < lanes * rows * dim; \
             uint lane = cell / (rows * dim), at = cell % (rows * dim)

// In place, in one kernel: a block that runs early overwrites what another has yet to
// read, wherever a row and the one before it are not of one block.
kernel void racing(global volatile float *x, global const float *last, uint lanes, uint rows, uint dim, uint block,
                   global const uint *order, global uint *tickets)
{
  local uint turn;
  uint number = sf_block(order, tickets, &turn);
  CELL;
  float v = 0;
  if (mine)
    v = at < (rows - 1) * dim ? x[cell + dim] : last[lane * dim + at % dim];
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (mine)
    x[cell] = v;
  sf_done(order, tickets);
}

// Mended: into a temporary, which a second kernel copies back. Between two kernels of
// one queue lies a barrier.
kernel void gather(global const volatile float *x, global const float *last, global volatile float *to, uint lanes, uint rows, uint dim, uint block,
                   global const uint *order, global uint *tickets)
{
  local uint turn;
  uint number = sf_block(order, tickets, &turn);
  CELL;
  if (mine)
    to[cell] = at < (rows - 1) * dim ? x[cell + dim] : last[lane * dim + at % dim];
  sf_done(order, tickets);
}

kernel void copy(global volatile float *x, global const volatile float *from, uint lanes, uint rows, uint dim, uint block,
                 global const uint *order, global uint *tickets)
{
  local uint turn;
  uint number = sf_block(order, tickets, &turn);
  CELL;
  if (mine)
    x[cell] = from[cell];
  sf_done(order, tickets);
}
