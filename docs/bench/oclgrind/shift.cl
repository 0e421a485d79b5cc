// The left shift of pytorch#159855 as one in-place kernel, a block (here a
// work-item) a cell: it reads its cell, then writes it, and nothing orders one
// work-item before another.
kernel void shift(global uint *x, uint n, uint d)
{
  uint i = get_global_id(0);
  if (i + d < n)
    x[i] = x[i + d];
}
