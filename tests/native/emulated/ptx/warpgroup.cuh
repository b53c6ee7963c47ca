// The emulation of kernels/ptx/warpgroup.cuh.
#pragma once

#include "cuda.h"

namespace tera::ptx {

template <int Count>
void setmaxnreg_dec()
{
    emulated::set_registers(Count, false);
}

template <int Count>
void setmaxnreg_inc()
{
    emulated::set_registers(Count, true);
}

inline void bar_sync(unsigned barrier, unsigned threads) { emulated::sync_named(barrier, threads); }

} // namespace tera::ptx
