// Warpgroup control, sm_90a: register reallocation, named barriers, clusters. One instruction a function.
// https://docs.nvidia.com/cuda/parallel-thread-execution/#miscellaneous-instructions-setmaxnreg
#pragma once

namespace tera::ptx {

/// Gives registers back: the warpgroup goes on with Count.
template <int Count>
__device__ __forceinline__ void setmaxnreg_dec()
{
    static_assert(Count % 8 == 0 && Count >= 24 && Count <= 256, "a multiple of 8 from 24 to 256");
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Count));
}

/// Takes registers that others gave back: the warpgroup goes on with Count.
template <int Count>
__device__ __forceinline__ void setmaxnreg_inc()
{
    static_assert(Count % 8 == 0 && Count >= 24 && Count <= 256, "a multiple of 8 from 24 to 256");
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Count));
}

/// Waits at a named barrier for `threads` threads of the block.
__device__ __forceinline__ void bar_sync(unsigned barrier, unsigned threads)
{
    asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}

} // namespace tera::ptx
