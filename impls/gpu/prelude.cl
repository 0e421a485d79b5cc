#define KERNEL kernel
#define GLOBAL global
#define SHARED local
#define RECORD local const uint *
#define INLINE static inline
#define UNROLL _Pragma("unroll")
#define GROUP ((uint)get_group_id(0))
#define GROUPS ((uint)get_num_groups(0))
#define LOCAL ((uint)get_local_id(0))
#define LSIZE ((uint)get_local_size(0))
#define BARRIER barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
#ifdef __opencl_c_atomic_scope_device
#define FENCE atomic_work_item_fence(CLK_GLOBAL_MEM_FENCE, memory_order_acq_rel, memory_scope_device)
#elif defined(__NV_CL_C_VERSION)
// NVIDIA's mem_fence leaves lines of before in the first-level cache.
#define FENCE asm volatile("membar.gl;" ::: "memory")
#else
// OpenCL C 1.2 has no scopes; with loads and stores that are volatile its
// fence orders them at the device on the drivers that we know.
#define FENCE mem_fence(CLK_GLOBAL_MEM_FENCE)
#endif
#define ADD(p, v) atomic_add((volatile global uint *)(p), v)
#define MIN(p, v) atomic_min((volatile global uint *)(p), v)
#define SWAP(p, v) atomic_xchg((volatile global uint *)(p), v)
#define LOAD4(p) (*(volatile global const uint4 *)(p))
