// The emulation of kernels/ptx/mbarrier.cuh.
#pragma once

#include "cuda.h"

namespace tera::ptx {

inline void mbarrier_init(unsigned barrier, unsigned count) { emulated::barrier_init(barrier, count); }
inline void fence_mbarrier_init() { emulated::barrier_fence(); }
inline void mbarrier_arrive(unsigned barrier) { emulated::barrier_arrive(barrier, 0); }
inline void mbarrier_arrive_expect_tx(unsigned barrier, unsigned bytes) { emulated::barrier_arrive(barrier, bytes); }
inline void mbarrier_wait_parity(unsigned barrier, unsigned parity) { emulated::barrier_wait(barrier, parity); }

} // namespace tera::ptx
