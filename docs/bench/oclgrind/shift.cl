// The left shift of pytorch#159855 as one in-place kernel: a block reads all
// of its cells, then writes them. Launched with one work-item a block and
// work-groups of one, nothing orders one block before another.
// Sizes: block is at most MAX_BLOCK, n a multiple of block.
#define MAX_BLOCK 64

kernel void shift(global uint *x, uint n, uint d, uint block)
{
  uint first = get_global_id(0) * block;
  uint cell[MAX_BLOCK];
  for (uint i = 0; i < block; i++)
    if (first + i + d < n)
      cell[i] = x[first + i + d];
  for (uint i = 0; i < block; i++)
    if (first + i + d < n)
      x[first + i] = cell[i];
}
