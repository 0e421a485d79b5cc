// The fused left shift of one lane, a block (one work-item) a cell: what
// BenchmarkDetector judges.
kernel void shift(global uint *x) {
  size_t i = get_global_id(0);
  x[i] = x[i + 1];
}
