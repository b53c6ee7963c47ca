// Asynchronous copies from global to shared memory, sm_80 and later. One instruction a function.
// https://docs.nvidia.com/cuda/parallel-thread-execution/#data-movement-and-conversion-instructions-cp-async
//
// A copy is complete for the thread that issued it after cp_async_wait; other threads need a barrier after that. Both addresses
// are multiples of the copy's size. The first `bytes` come from global memory, the rest is written as zero; with bytes = 0
// nothing is read, so the global address needs only to be well formed.
#pragma once

namespace tera::ptx {

/// Copies 16 bytes, past the first-level cache.
__device__ __forceinline__ void cp_async_16(unsigned shared, const void* global, unsigned bytes)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(__cvta_generic_to_global(global)), "r"(bytes)
                 : "memory");
}

/// Copies 4 bytes.
__device__ __forceinline__ void cp_async_4(unsigned shared, const void* global, unsigned bytes)
{
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared), "l"(__cvta_generic_to_global(global)), "r"(bytes)
                 : "memory");
}

/// Closes the group of the copies issued since the last one; an empty group is legal.
__device__ __forceinline__ void cp_async_commit()
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

/// Waits until at most Pending of the newest groups are still in flight.
template <int Pending>
__device__ __forceinline__ void cp_async_wait()
{
    static_assert(Pending >= 0, "a number of groups");
    asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}

} // namespace tera::ptx
