// The emulation of kernels/ptx/cp_async.cuh.
#pragma once

#include "cuda.h"

namespace tera::ptx {

inline void cp_async_16(unsigned shared, const void* global, unsigned bytes) { emulated::copy(shared, global, bytes, 16); }
inline void cp_async_4(unsigned shared, const void* global, unsigned bytes) { emulated::copy(shared, global, bytes, 4); }
inline void cp_async_commit() { emulated::copy_commit(); }

template <int Pending>
void cp_async_wait()
{
    emulated::copy_wait(Pending);
}

} // namespace tera::ptx
