// Runs the work-groups of an OpenCL kernel one after another, in an order that the host
// gives.
//
//   kernel void shift(global volatile float *x, ..., global const uint *order, global uint *tickets) {
//     local uint turn;
//     uint block = sf_block(order, tickets, &turn);  // instead of get_group_id(0)
//     ... loads; barrier(CLK_LOCAL_MEM_FENCE); stores ...
//     sf_done(order, tickets);                       // at the end
//   }
//
// order has the number of each group of the (one-dimensional) range once; a null
// argument leaves the order to the device. tickets is two words, zeros before the first
// launch, and zeros again after each: one pair for each launch that may run at the same
// time as another.
//
// A group takes a ticket when it starts, so the lowest open ticket always belongs to a
// group that runs, and none waits for one that cannot start. Every work-item of every
// group must come to both calls, once: no return between them. A group must not wait
// for another by other means. OpenCL C 1.2 has no fence at the scope of the device: what
// groups hand each other is volatile, as above. Cost: the groups run one at a time. For
// tests alone.
#ifdef __opencl_c_atomic_scope_device
#define SF_FENCE atomic_work_item_fence(CLK_GLOBAL_MEM_FENCE, memory_order_acq_rel, memory_scope_device)
#elif defined(__NV_CL_C_VERSION)
#define SF_FENCE asm volatile("membar.gl;" ::: "memory") // mem_fence leaves old lines in the first-level cache
#else
#define SF_FENCE mem_fence(CLK_GLOBAL_MEM_FENCE)
#endif

// The barriers are for every order, null too: PoCL hangs on a barrier behind a return.
static inline uint sf_block(global const uint *order, global uint *tickets, local uint *turn) {
  if (order && get_local_id(0) == 0) {
    *turn = atomic_add((volatile global uint *)tickets, 1);
    while (*(volatile global uint *)(tickets + 1) != *turn)
      ;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  SF_FENCE; // acquire: the loads that follow see the stores of the groups before
  return order ? order[*turn] : get_group_id(0);
}

static inline void sf_done(global const uint *order, global uint *tickets) {
  SF_FENCE; // release: this work-item's stores come before the signal
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (order && get_local_id(0) == 0 && atomic_add((volatile global uint *)(tickets + 1), 1) + 1 == get_num_groups(0)) {
    atomic_xchg((volatile global uint *)tickets, 0); // the last group; all tickets are taken
    atomic_xchg((volatile global uint *)(tickets + 1), 0);
  }
}
