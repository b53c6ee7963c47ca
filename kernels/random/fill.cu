// A factor of format 1 written out (random/fill.cuh), by all threads of a grid: neither grid nor block shows in the result.
// Many normals of 16 bits go in tiles (random/fill_tiles.cuh).
//
// Early: blocks of an overlapping launch run on the multiprocessors that the last tiles of the kernel before leave idle, and don't wait for its end. That kernel
// leaves the output alone, and has waited itself before it lets others start, as all products do: what came before it is over. The grid's last block does wait:
// this kernel then doesn't end before the one before it, and whoever waits for this one waits for both.
//
// Macros: TERA_DTYPE (0 float32, 1 bfloat16, 2 float16), TERA_DISTRIBUTION (0 normal, 1 uniform, 2 Rademacher, 3 ternary).
#include "ptx/griddepcontrol.cuh"
#include "random/fill_tiles.cuh"

namespace tera {

constexpr bool kTiles = TERA_DTYPE != kFloat32 && TERA_DISTRIBUTION == kNormal;

template <class Index, bool Scaled>
__device__ __forceinline__ void fill_by_grid(const FillRandomArguments& p)
{
    const Index threads = static_cast<Index>(gridDim.x) * blockDim.x;
    fill<Index, Scaled>(p, static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x, threads);
}

}  // namespace tera

extern "C" __global__ void fill_random(const __grid_constant__ tera::FillRandomArguments p)
{
    using namespace tera;
    if (p.early == 0 || blockIdx.x == gridDim.x - 1) {
        ptx::griddepcontrol_wait();
    }
    ptx::griddepcontrol_launch_dependents();
    if constexpr (kTiles) {
        extern __shared__ __align__(16) unsigned char shared[];
        Doubts& doubts = *reinterpret_cast<Doubts*>(shared);
        if (p.tiled != 0) {
            return p.scale == 1.0f ? fill_tiles<TERA_DTYPE, false>(p, doubts) : fill_tiles<TERA_DTYPE, true>(p, doubts);
        }
    }
    if (p.count >> 32 != 0) {
        fill_by_grid<u64, true>(p);
    } else if (p.scale != 1.0f) {
        fill_by_grid<u32, true>(p);
    } else {
        fill_by_grid<u32, false>(p);
    }
}
