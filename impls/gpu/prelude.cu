typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long long ulong;
#define KERNEL extern "C" __global__
#define GLOBAL
#define SHARED __shared__
#define RECORD const uint *
#define INLINE static __device__ __forceinline__
#define UNROLL _Pragma("unroll")
#define GROUP blockIdx.x
#define GROUPS gridDim.x
#define LOCAL threadIdx.x
#define LSIZE blockDim.x
#define BARRIER __syncthreads()
#define FENCE __threadfence()
#define ADD(p, v) atomicAdd(p, v)
#define MIN(p, v) atomicMin(p, v)
#define SWAP(p, v) atomicExch(p, v)
#define LOAD4(p) (*(const uint4 *)(p))
