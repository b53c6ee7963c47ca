// Enough of CUDA to run a kernel of this library on the host, one block after the other: every thread is a fiber, barriers and
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

/// The dynamic shared memory of the block that runs.
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

inline Index block_index, thread_index, grid_size;
inline Barrier block_barrier;
inline std::vector<Warp> warps;
inline ucontext_t scheduler;
inline std::vector<ucontext_t> fibers;
inline std::vector<bool> done;
inline const std::function<void()>* body;

/// Lets the other threads go on.
inline void yield() { swapcontext(&fibers[thread_index.x], &scheduler); }

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

inline void enter()
{
    (*body)();
    done[thread_index.x] = true;
}

/// Runs kernel() for every thread of every block. Shared memory starts as NaN.
inline void launch(unsigned grid_x, unsigned grid_y, unsigned threads, const std::function<void()>& kernel)
{
    constexpr std::size_t kStack = 256 * 1024;
    const std::unique_ptr<unsigned char[]> stacks(new unsigned char[kStack * threads]);
    body = &kernel;
    grid_size = {grid_x, grid_y, 1};
    for (unsigned block = 0; block < grid_x * grid_y; ++block) {
        block_index = {block % grid_x, block / grid_x, 0};
        block_barrier = {static_cast<int>(threads)};
        warps.assign((threads + 31) / 32, Warp{});
        fibers.assign(threads, ucontext_t{});
        done.assign(threads, false);
        std::memset(shared, 0xFF, sizeof shared);
        for (unsigned i = 0; i < threads; ++i) {
            getcontext(&fibers[i]);
            fibers[i].uc_stack.ss_sp = stacks.get() + i * kStack;
            fibers[i].uc_stack.ss_size = kStack;
            fibers[i].uc_link = &scheduler;
            makecontext(&fibers[i], enter, 0);
        }
        for (unsigned left = threads; left > 0;) {
            for (unsigned i = 0; i < threads; ++i) {
                if (!done[i]) {
                    thread_index = {i, 0, 0};
                    swapcontext(&scheduler, &fibers[i]);
                    left -= done[i] ? 1 : 0;
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
