// Clusters of blocks, sm_90: their barrier and each other's shared memory. One instruction a function; addresses are 32-bit shared addresses.
// https://docs.nvidia.com/cuda/parallel-thread-execution/#parallel-synchronization-and-communication-instructions-barrier-cluster
#pragma once

namespace tera::ptx {

/// Arrives at the barrier of the cluster; what the thread wrote to shared memory before is visible to those that wait.
__device__ __forceinline__ void barrier_cluster_arrive()
{
    asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
}

/// Waits until every thread of the cluster that has not ended has arrived.
__device__ __forceinline__ void barrier_cluster_wait()
{
    asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}

/// The address, in the cluster's shared memory, of what block `rank` has at `address` of its own.
__device__ __forceinline__ unsigned mapa(unsigned address, unsigned rank)
{
    unsigned mapped;
    asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(mapped) : "r"(address), "r"(rank));
    return mapped;
}

/// Four neighbours from the cluster's shared memory, at a multiple of 16 bytes.
__device__ __forceinline__ float4 ld_shared_cluster_v4(unsigned address)
{
    float4 v;
    asm volatile("ld.shared::cluster.v4.f32 {%0, %1, %2, %3}, [%4];" : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w) : "r"(address) : "memory");
    return v;
}

} // namespace tera::ptx
