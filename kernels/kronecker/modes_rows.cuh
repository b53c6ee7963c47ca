// Results of kernels/kronecker/wgmma_modes.cu as rows: through shared memory and the copy engine.
#pragma once

#include "kronecker/modes_first.cuh"

namespace tera {

/// out[t, o₁, o], 64 of o at a time; the warpgroup's buffers take turns.
struct RowStores {
    const ModesArguments& p;
    const Shared& s;
    int consumer, buffer = 0;

    __device__ RowStores(const ModesArguments& arguments, const Shared& layout, int which, int, int)
        : p(arguments), s(layout), consumer(which)
    {
    }

    __device__ __forceinline__ void begin(int) {}

    /// One tile's part: a[chunk] are 64 rows of F from `row`.
    __device__ __forceinline__ void store(int row, int token, const unsigned (&a)[kChunks * kPasses][kRegisters / 2])
    {
        const int thread = threadIdx.x % 128, lane = thread % 32, warp = thread / 32;
#pragma unroll
        for (int c = 0; c < kChunks; ++c) {
#pragma unroll
            for (int t0 = 0; t0 < kTokens; t0 += kStoreTokens) {
                const unsigned box = s.staging + consumer * kStagingBytes + buffer * kStoreBytes;
#pragma unroll
                for (int g = 0; g < kOutGroups; ++g) {
                    uint2 first[kInBlocks];
                    load_first(s, g, first);
#pragma unroll
                    for (int t = 0; t < kStoreTokens; ++t) {
                        float r[4];
                        const unsigned* d = a[c] + (t0 + t) * kInPadded / 4;
                        contract_first(d, d + 1, first, p.alpha, r);
                        const unsigned at = swizzled(t * kOut + 8 * g + lane % 8, 2 * warp + lane / 8 % 2);
                        ptx::stmatrix_x2_trans(box + at, E::encode2(r[0], r[1]), E::encode2(r[2], r[3]));
                    }
                }
                ptx::fence_proxy_async();
                if (thread == 0) {
                    ptx::cp_async_bulk_wait_group_read<0>();  // the other buffer's box has left: it is free behind the barrier
                }
                ptx::bar_sync(1 + consumer, 128);
                if (thread == 0) {
                    ptx::cp_async_bulk_tensor_3d_store(&p.output, row + 64 * c, 0, token + t0, box);
                    ptx::cp_async_bulk_commit_group();
                }
                buffer ^= 1;
            }
        }
    }

    __device__ __forceinline__ void finish()
    {
        if (threadIdx.x % 128 == 0) {
            ptx::cp_async_bulk_wait_group_read<0>();
        }
    }
};

} // namespace tera
