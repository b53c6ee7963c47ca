// The emulation of kernels/ptx/cluster.cuh.
#pragma once

#include "check.h"
#include "cuda.h"

#include <map>

namespace tera::ptx {

inline unsigned cluster_rank() { return emulated::cluster_rank; }

inline unsigned cluster_arrived, cluster_generation;
inline std::map<unsigned, unsigned> generation_of_thread;

inline void barrier_cluster_arrive()
{
    ++cluster_arrived;
    generation_of_thread[emulated::fiber] = cluster_generation;
}

/// Threads that have ended count as arrived.
inline void barrier_cluster_wait()
{
    while (generation_of_thread[emulated::fiber] == cluster_generation) {
        if (cluster_arrived == emulated::alive) {
            cluster_arrived = 0;
            ++cluster_generation;
        } else {
            emulated::yield();
        }
    }
}

inline unsigned mapa(unsigned address, unsigned rank) { return rank << 24 | address; }

inline float4 ld_shared_cluster_v4(unsigned address)
{
    const unsigned rank = address >> 24, at = address & 0xFFFFFF;
    check(at % 16 == 0 && rank < emulated::blocks.size(), "a block of the cluster, at a multiple of 16");
    float4 value;
    std::memcpy(&value, (rank == emulated::cluster_rank ? shared : emulated::blocks[rank].memory.get()) + at, 16);
    return value;
}

} // namespace tera::ptx
