// Programmatic dependent launch, sm_90 and later; on older targets both are nothing, as their launches never overlap.
// https://docs.nvidia.com/cuda/parallel-thread-execution/#parallel-synchronization-and-communication-instructions-griddepcontrol
//
// What a kernel must do before its launcher may pass CudaKernel.Launch its `overlaps`: every thread of EVERY block executes
// griddepcontrol_wait(), before it reads what an earlier kernel may have written and before it writes anything to global memory (an earlier
// kernel may still read it). Until then it may compute from its argument alone, and set up shared memory. The wait lasts until the kernel before has
// ended and its writes are visible; that one waited likewise, so all earlier work is done too. A block that left without the wait
// would break this chain for the kernels after it; random/fill.cu says when one block's wait is enough.
//
// griddepcontrol_launch_dependents() lets the next kernel's blocks start where there is room once every block has executed it or ended. It
// is safe anywhere, in any kernel: it promises nothing about memory.
#pragma once

namespace tera::ptx {

/// Waits until the kernels this one depends on have ended and their writes are visible; at once where the launch was an ordinary one.
__device__ __forceinline__ void griddepcontrol_wait()
{
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/// Lets the kernels that depend on this one start early.
__device__ __forceinline__ void griddepcontrol_launch_dependents()
{
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

} // namespace tera::ptx
