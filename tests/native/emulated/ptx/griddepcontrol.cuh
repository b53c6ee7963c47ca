// The emulation of kernels/ptx/griddepcontrol.cuh: nothing runs beside a kernel.
#pragma once

namespace tera::ptx {

inline void griddepcontrol_wait() {}
inline void griddepcontrol_launch_dependents() {}

} // namespace tera::ptx
