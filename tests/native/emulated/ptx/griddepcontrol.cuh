// The emulation of kernels/ptx/griddepcontrol.cuh: no kernel runs beside another, but global memory is watched until the wait.
#pragma once

#include "cuda.h"

namespace tera::ptx {

inline void griddepcontrol_wait() { emulated::grid_wait(); }
inline void griddepcontrol_launch_dependents() {}

} // namespace tera::ptx
