// The emulation of kernels/ptx/cluster.cuh.
#pragma once

#include "cuda.h"

namespace tera::ptx {

inline void barrier_cluster_arrive() { emulated::cluster_arrive(); }
inline void barrier_cluster_wait() { emulated::cluster_wait(); }

inline unsigned mapa(unsigned address, unsigned rank) { return rank << 24 | (address & 0xFFFFFF); }

inline float4 ld_shared_cluster_v4(unsigned address)
{
    float4 value;
    emulated::load_shared(&value, address, 16, true);
    return value;
}

} // namespace tera::ptx
