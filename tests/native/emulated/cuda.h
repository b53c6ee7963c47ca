// Enough of CUDA to run a kernel of this library on the host, one block (or cluster) after the other: every thread is a fiber, barriers and
// warp-wide instructions are meeting points. Slow and obvious; it shows index arithmetic, pipelines and edges without a GPU.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <type_traits>
#include <ucontext.h>
#include <vector>

#define __device__
#define __global__
#define __forceinline__ inline
#define __grid_constant__
#define __shared__
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __noinline__

struct Index {
    unsigned x, y, z;
};

struct uint2 {
    unsigned x, y;
};

struct uint4 {
    unsigned x, y, z, w;
};

struct float2 {
    float x, y;
};

struct float4 {
    float x, y, z, w;
};

struct ushort4 {
    unsigned short x, y, z, w;
};

inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

template <class T, class U>
std::common_type_t<T, U> min(T a, U b)
{
    return b < a ? b : a;
}

template <class T, class U>
std::common_type_t<T, U> max(T a, U b)
{
    return a < b ? b : a;
}

/// The dynamic shared memory of the block that runs; the other blocks of its cluster have theirs set aside.
alignas(128) inline unsigned char shared[228 * 1024];

namespace emulated {

/// Where a number of fibers wait for each other.
struct Barrier {
    int size = 0, arrived = 0, generation = 0;
};

/// What the lanes of a warp show each other.
struct Warp {
    Barrier barrier{32};
    unsigned words[32][8];
};

/// A block of the cluster that runs, while another one has the shared memory.
struct Block {
    Barrier barrier;
    std::vector<Warp> warps;
    std::unique_ptr<unsigned char[]> memory;
};

inline Index block_index, thread_index, grid_size;
inline unsigned cluster_rank, fiber; // of the thread that runs
inline Barrier block_barrier;
inline std::vector<Warp> warps;
inline std::vector<Block> blocks;
inline unsigned alive; // threads of the cluster that have not ended
inline ucontext_t scheduler;
inline std::vector<ucontext_t> fibers;
inline std::vector<bool> done;
inline const std::function<void()>* body;

/// Lets the other threads go on.
inline void yield() { swapcontext(&fibers[fiber], &scheduler); }

inline void wait(Barrier& barrier)
{
    const int generation = barrier.generation;
    if (++barrier.arrived == barrier.size) {
        barrier.arrived = 0;
        ++barrier.generation;
        return;
    }
    while (barrier.generation == generation) {
        yield();
    }
}

inline Warp& warp() { return warps[thread_index.x / 32]; }

/// A name for something of this block, among those of its cluster.
inline unsigned own(unsigned name) { return cluster_rank << 24 | name; }

inline void enter()
{
    (*body)();
    done[fiber] = true;
}

/// Sets the running block's memory aside and takes up that of another one of the cluster.
inline void switch_to(unsigned rank)
{
    const auto exchange = [](Block& block) {
        std::swap(block.barrier, block_barrier);
        std::swap(block.warps, warps);
    };
    if (rank != cluster_rank) {
        exchange(blocks[cluster_rank]);
        std::memcpy(blocks[cluster_rank].memory.get(), shared, sizeof shared);
        std::memcpy(shared, blocks[rank].memory.get(), sizeof shared);
        exchange(blocks[rank]);
        cluster_rank = rank;
    }
}

/// Makes the blocks of a cluster: barriers, warps, and shared memory that starts as NaN.
inline void start_cluster(unsigned size, unsigned threads)
{
    blocks.clear();
    for (unsigned i = 0; i < size; ++i) {
        blocks.push_back({{static_cast<int>(threads)}, std::vector<Warp>((threads + 31) / 32), std::make_unique<unsigned char[]>(sizeof shared)});
        std::memset(blocks[i].memory.get(), 0xFF, sizeof shared);
    }
    cluster_rank = 0;
    block_barrier = blocks[0].barrier;
    warps = blocks[0].warps;
    std::memset(shared, 0xFF, sizeof shared);
}

/// Runs kernel() for every thread of every block; clusters are of `cluster` blocks along y.
inline void launch(unsigned grid_x, unsigned grid_y, unsigned threads, const std::function<void()>& kernel, unsigned cluster = 1)
{
    constexpr std::size_t kStack = 256 * 1024;
    const unsigned together = cluster * threads;
    const std::unique_ptr<unsigned char[]> stacks(new unsigned char[kStack * together]);
    body = &kernel;
    grid_size = {grid_x, grid_y, 1};
    for (unsigned first = 0; first < grid_x * grid_y / cluster; ++first) {
        start_cluster(cluster, threads);
        fibers.assign(together, ucontext_t{});
        done.assign(together, false);
        for (unsigned i = 0; i < together; ++i) {
            getcontext(&fibers[i]);
            fibers[i].uc_stack.ss_sp = stacks.get() + i * kStack;
            fibers[i].uc_stack.ss_size = kStack;
            fibers[i].uc_link = &scheduler;
            makecontext(&fibers[i], enter, 0);
        }
        for (alive = together; alive > 0;) {
            for (fiber = 0; fiber < together; ++fiber) {
                if (!done[fiber]) {
                    switch_to(fiber / threads);
                    block_index = {first % grid_x, first / grid_x * cluster + cluster_rank, 0};
                    thread_index = {fiber % threads, 0, 0};
                    swapcontext(&scheduler, &fibers[fiber]);
                    alive -= done[fiber] ? 1 : 0;
                }
            }
        }
    }
}

} // namespace emulated

#define threadIdx (emulated::thread_index)
#define blockIdx (emulated::block_index)
#define gridDim (emulated::grid_size)

inline void __syncthreads() { emulated::wait(emulated::block_barrier); }

inline void __syncwarp() { emulated::wait(emulated::warp().barrier); }

inline float __shfl_xor_sync(unsigned, float value, int mask)
{
    emulated::Warp& warp = emulated::warp();
    std::memcpy(&warp.words[threadIdx.x % 32][0], &value, 4);
    emulated::wait(warp.barrier);
    std::memcpy(&value, &warp.words[(threadIdx.x % 32) ^ mask][0], 4);
    emulated::wait(warp.barrier);
    return value;
}

template <class T>
T __ldg(const T* address)
{
    return *address;
}
