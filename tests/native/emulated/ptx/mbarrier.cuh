// The emulation of kernels/ptx/mbarrier.cuh: arrivals and announced bytes of the phase that runs; the parity of completed phases.
#pragma once

#include "check.h"
#include "cuda.h"

#include <map>

namespace tera::ptx {

struct EmulatedBarrier {
    int count = 0, pending = 0;
    long long bytes = 0;
    unsigned phase = 0;

    void settle()
    {
        if (pending == 0 && bytes == 0) {
            pending = count;
            phase ^= 1;
        }
    }
};

inline std::map<unsigned, EmulatedBarrier> barriers;

inline void mbarrier_init(unsigned barrier, unsigned count)
{
    check(barrier % 8 == 0, "a barrier is 8 bytes, aligned");
    barriers[emulated::own(barrier)] = {static_cast<int>(count), static_cast<int>(count), 0, 0};
}

inline void fence_mbarrier_init() {}

inline void mbarrier_arrive(unsigned barrier)
{
    EmulatedBarrier& b = barriers.at(emulated::own(barrier));
    --b.pending;
    check(b.pending >= 0, "no more arrivals than the barrier counts");
    b.settle();
}

inline void mbarrier_arrive_expect_tx(unsigned barrier, unsigned bytes)
{
    barriers.at(emulated::own(barrier)).bytes += bytes;
    mbarrier_arrive(barrier);
}

inline void complete_tx(unsigned barrier, unsigned bytes)
{
    barriers.at(emulated::own(barrier)).bytes -= bytes;
    barriers.at(emulated::own(barrier)).settle();
}

inline void mbarrier_wait_parity(unsigned barrier, unsigned parity)
{
    while (barriers.at(emulated::own(barrier)).phase == parity) {
        emulated::yield();
    }
}

} // namespace tera::ptx
