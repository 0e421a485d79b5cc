// Runs the blocks of a CUDA kernel one after another, in an order that the host gives.
//
//   __global__ void shift(float *x, ..., const unsigned *order, unsigned *tickets) {
//     unsigned block = sf_block(order, tickets);  // instead of blockIdx.x
//     ... loads; __syncthreads(); stores ...
//     sf_done(order, tickets);                    // at the end
//   }
//
// order has the number of each block of the grid once; null leaves the order to the
// device. tickets is two words, zeros before the first launch, and zeros again after
// each: one pair for each launch that may run at the same time as another.
//
// A block takes a ticket when it starts, so the lowest open ticket always belongs to a
// block that runs, and none waits for one that cannot start. Every thread of every
// block must come to both calls, once: no return between them. A block must not wait
// for another by other means (a grid barrier). What blocks hand each other must not be
// read through the read-only cache: no const __restrict__, no __ldg, for that cache
// does not see a fence. Cost: the blocks run one at a time. For tests alone.
#pragma once

__device__ static inline bool sf_first_thread() { return threadIdx.x + threadIdx.y + threadIdx.z == 0; }

// The number of the block to be, in a grid of up to three dimensions counted x first.
__device__ static unsigned sf_block(const unsigned *order, unsigned *tickets) {
  if (!order)
    return blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  __shared__ unsigned turn;
  if (sf_first_thread()) {
    turn = atomicAdd(tickets, 1);
    while (*(volatile unsigned *)(tickets + 1) != turn)
      ;
  }
  __syncthreads();
  __threadfence(); // acquire: the loads that follow see the stores of the blocks before
  return order[turn];
}

__device__ static void sf_done(const unsigned *order, unsigned *tickets) {
  if (!order)
    return;
  __threadfence(); // release: this thread's stores come before the signal
  __syncthreads();
  if (sf_first_thread() && atomicAdd(tickets + 1, 1) + 1 == gridDim.x * gridDim.y * gridDim.z) {
    atomicExch(tickets, 0); // the last block; all tickets are taken
    atomicExch(tickets + 1, 0);
  }
}
