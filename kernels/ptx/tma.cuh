// The bulk tensor copy engine, sm_90. One instruction a function; shared addresses are 32-bit, coordinates are in elements, the
// fastest dimension first. Out-of-bounds elements read as zero and are not written.
// https://docs.nvidia.com/cuda/parallel-thread-execution/#data-movement-and-conversion-instructions-cp-async-bulk-tensor
#pragma once

namespace tera::ptx {

/// The driver's 128-byte tensor map, passed by value as part of a __grid_constant__ argument.
struct alignas(64) TensorMap {
    unsigned long long opaque[16];
};

/// Fetches a tensor map into the descriptor cache.
__device__ __forceinline__ void prefetch_tensormap(const TensorMap* map)
{
    asm volatile("prefetch.tensormap [%0];" ::"l"(reinterpret_cast<unsigned long long>(map)) : "memory");
}

/// Copies a two-dimensional box from global to shared memory; its bytes count towards `barrier`.
__device__ __forceinline__ void cp_async_bulk_tensor_2d_load(unsigned shared, const TensorMap* map, int x, int y, unsigned barrier)
{
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(shared),
                 "l"(reinterpret_cast<unsigned long long>(map)), "r"(x), "r"(y), "r"(barrier)
                 : "memory");
}

/// Copies a three-dimensional box from global to shared memory; its bytes count towards `barrier`.
__device__ __forceinline__ void cp_async_bulk_tensor_3d_load(unsigned shared, const TensorMap* map, int x, int y, int z, unsigned barrier)
{
    asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], [%5];" ::"r"(shared),
                 "l"(reinterpret_cast<unsigned long long>(map)), "r"(x), "r"(y), "r"(z), "r"(barrier)
                 : "memory");
}

/// The policy of what is read once: L2 gives its place away first.
__device__ __forceinline__ unsigned long long createpolicy_evict_first()
{
    unsigned long long policy;
    asm("createpolicy.fractional.L2::evict_first.b64 %0;" : "=l"(policy));
    return policy;
}

/// The same as cp_async_bulk_tensor_3d_load, with a policy for what L2 keeps of the box.
__device__ __forceinline__ void cp_async_bulk_tensor_3d_load_cache_hint(
    unsigned shared, const TensorMap* map, int x, int y, int z, unsigned barrier, unsigned long long policy)
{
    asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1, {%2, %3, %4}], [%5], %6;" ::"r"(shared),
                 "l"(reinterpret_cast<unsigned long long>(map)), "r"(x), "r"(y), "r"(z), "r"(barrier), "l"(policy)
                 : "memory");
}

/// Copies a three-dimensional box from shared to global memory, in the thread's current bulk group.
__device__ __forceinline__ void cp_async_bulk_tensor_3d_store(const TensorMap* map, int x, int y, int z, unsigned shared)
{
    asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.bulk_group [%0, {%1, %2, %3}], [%4];" ::"l"(reinterpret_cast<unsigned long long>(map)),
                 "r"(x), "r"(y), "r"(z), "r"(shared)
                 : "memory");
}

/// Copies a two-dimensional box from shared to global memory, in the thread's current bulk group.
__device__ __forceinline__ void cp_async_bulk_tensor_2d_store(const TensorMap* map, int x, int y, unsigned shared)
{
    asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%1, %2}], [%3];" ::"l"(reinterpret_cast<unsigned long long>(map)),
                 "r"(x), "r"(y), "r"(shared)
                 : "memory");
}

/// Closes the thread's bulk group.
__device__ __forceinline__ void cp_async_bulk_commit_group()
{
    asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}

/// Waits until at most Pending of the thread's newest bulk groups still read shared memory.
template <int Pending>
__device__ __forceinline__ void cp_async_bulk_wait_group_read()
{
    asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(Pending) : "memory");
}

/// Orders ordinary writes to shared memory before later reads by the copy engine and the tensor cores.
__device__ __forceinline__ void fence_proxy_async()
{
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

} // namespace tera::ptx
