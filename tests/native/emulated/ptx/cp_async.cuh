// The emulation of kernels/ptx/cp_async.cuh. Copies arrive as late as they may: when a wait names their group.
#pragma once

#include "check.h"
#include "cuda.h"

#include <map>

namespace tera::ptx {

struct PendingCopy {
    unsigned shared;
    const void* global;
    unsigned bytes, size;
};

struct Groups {
    std::vector<std::vector<PendingCopy>> committed;
    std::vector<PendingCopy> open;
};

/// Of every thread of the block that runs.
inline std::map<unsigned, Groups> pending;

inline void cp_async(unsigned shared, const void* global, unsigned bytes, unsigned size)
{
    check(shared % size == 0 && reinterpret_cast<std::uintptr_t>(global) % size == 0, "cp.async of %u bytes is aligned", size);
    check(bytes <= size, "cp.async of %u bytes reads %u", size, bytes);
    pending[threadIdx.x].open.push_back({shared, global, bytes, size});
}

inline void cp_async_16(unsigned shared, const void* global, unsigned bytes) { cp_async(shared, global, bytes, 16); }
inline void cp_async_4(unsigned shared, const void* global, unsigned bytes) { cp_async(shared, global, bytes, 4); }

inline void cp_async_commit()
{
    Groups& groups = pending[threadIdx.x];
    groups.committed.push_back(std::move(groups.open));
    groups.open.clear();
}

template <int Pending>
void cp_async_wait()
{
    std::vector<std::vector<PendingCopy>>& groups = pending[threadIdx.x].committed;
    while (groups.size() > Pending) {
        for (const PendingCopy& copy : groups.front()) {
            std::memset(::shared + copy.shared, 0, copy.size);
            std::memcpy(::shared + copy.shared, copy.global, copy.bytes);
        }
        groups.erase(groups.begin());
    }
}

} // namespace tera::ptx
