// The main loop of every portable product: a ring of stages in shared memory, filled ahead by the loaders, emptied by the warps.
//
// A loader is anything with a `Map`, where its tile lies, and `void load(unsigned char* tile, i64 k) const` that writes the block's tile from k on, by asynchronous
// copies into the open group or by ordinary stores.
#pragma once

#include "gemm/warp_tile.cuh"
#include "ptx/cp_async.cuh"

namespace tera::gemm {

template <class Loader>
concept TileLoader = requires(const Loader& loader, unsigned char* tile, i64 k) {
    typename Loader::Map;
    loader.load(tile, k);
};

/// Adds A[.., begin..end) · B[begin..end), ..] to the warps' tiles. Shared memory is free again when it returns.
template <class C, TileLoader LoaderA, TileLoader LoaderB>
__device__ __forceinline__ void multiply_tiles(
    WarpTile<C>& tile, const LoaderA& a, const LoaderB& b, unsigned char* shared, i64 begin, i64 end)
{
    const int steps = end > begin ? static_cast<int>((end - begin + C::kTileK - 1) / C::kTileK) : 0;
    const auto load = [&](int step) {
        if (step < steps) {
            unsigned char* stage = shared + step % C::kStages * C::kStageBytes;
            const i64 k = begin + static_cast<i64>(step) * C::kTileK;
            a.load(stage, k);
            b.load(stage + C::MapA::kBytes, k);
        }
        ptx::cp_async_commit(); // also when empty: the count of groups stays the count of steps
    };

    // The first steps only load: one loop, so that the loaders' code exists once.
#pragma unroll 1
    for (int step = 1 - C::kStages; step < steps; ++step) {
        if (step >= 0) {
            ptx::cp_async_wait<C::kStages - 2>(); // this step's copies, of this thread
            __syncthreads();                      // of every thread; and all are done with the stage that is filled next
        }
        load(step + C::kStages - 1);
        if (step >= 0) {
            const unsigned char* stage = shared + step % C::kStages * C::kStageBytes;
            tile.template multiply<typename LoaderA::Map, typename LoaderB::Map>(stage, stage + C::MapA::kBytes);
        }
    }
    ptx::cp_async_wait<0>();
    __syncthreads();
}

} // namespace tera::gemm
