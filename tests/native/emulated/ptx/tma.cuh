// The emulation of kernels/ptx/tma.cuh: 16-bit elements, and the swizzle of the box's row (128, 64, 32 bytes, or none of 16).
#pragma once

#include "cuda.h"

namespace tera::ptx {

using emulated::TensorMap;

inline void prefetch_tensormap(const TensorMap*) {}

inline void cp_async_bulk_tensor_3d_load(unsigned to, const TensorMap* map, int x, int y, int z, unsigned barrier) { emulated::bulk_load(to, *map, x, y, z, barrier); }
inline unsigned long long createpolicy_evict_first() { return 0; }
inline void cp_async_bulk_tensor_3d_load_cache_hint(unsigned to, const TensorMap* map, int x, int y, int z, unsigned barrier, unsigned long long)
{
    emulated::bulk_load(to, *map, x, y, z, barrier);
}
inline void cp_async_bulk_tensor_2d_load(unsigned to, const TensorMap* map, int x, int y, unsigned barrier) { emulated::bulk_load(to, *map, x, y, 0, barrier); }
inline void cp_async_bulk_tensor_3d_store(const TensorMap* map, int x, int y, int z, unsigned from) { emulated::bulk_store(*map, x, y, z, from); }
inline void cp_async_bulk_tensor_2d_store(const TensorMap* map, int x, int y, unsigned from) { emulated::bulk_store(*map, x, y, 0, from); }
inline void cp_async_bulk_commit_group() { emulated::bulk_commit(); }

template <int Pending>
void cp_async_bulk_wait_group_read()
{
    emulated::bulk_wait_read(Pending);
}

inline void fence_proxy_async() { emulated::proxy_fence(); }

} // namespace tera::ptx
