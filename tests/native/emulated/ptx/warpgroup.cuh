// The emulation of kernels/ptx/warpgroup.cuh.
#pragma once

#include "cuda.h"

#include <map>

namespace tera::ptx {

template <int Count>
void setmaxnreg_dec() {}

template <int Count>
void setmaxnreg_inc() {}

inline std::map<unsigned, emulated::Barrier> named_barriers;

inline void bar_sync(unsigned barrier, unsigned threads)
{
    emulated::Barrier& meeting = named_barriers[emulated::own(barrier)];
    meeting.size = static_cast<int>(threads);
    emulated::wait(meeting);
}

} // namespace tera::ptx
