// The machine on which these tests run kernels: every thread a fiber, barriers and warp-wide instructions meeting points, and behind them what a
// GPU promises and no more. It is as unkind as the memory model allows:
//
//   - Who may see what is kept by vector clocks (Times): a barrier, an arrival that is waited for, the wait for a copy or a product pass
//     them on, nothing else does. Every access to shared memory, the kernel's plain ones too (they are compiled with the calls that
//     -fsanitize=thread puts in, and memory.cpp answers them), is held against the accesses before it. So a race is found in whatever order
//     the threads happened to run.
//   - Ordinary writes reach the copy engine and the tensor cores only by way of fence_proxy_async. An ordinary read before an asynchronous write
//     needs the order alone; PTX would have a fence there too, but no library in use has one, so none is asked for.
//   - Copies and wgmma happen as late as their waits allow, as early as they were asked for, or anywhere between, as the run's mood has it.
//     Until then what they will write is NaN.
//   - In global memory nothing is passed on inside a launch: what a thread writes no other thread may write and no other block may read. With an
//     overlapping launch a thread touches it only after its griddepcontrol_wait.
//
// Every test runs in several moods. A fault may be planted (see Fault); a run that finds something wrong then succeeds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

namespace emulated {

constexpr unsigned kSharedBytes = 228 * 1024;

struct Index {
    unsigned x, y, z;
};

extern Index block_index, thread_index, grid_size, block_size; // of the thread that runs
extern unsigned cluster_rank;

/// A mistake that the emulation makes in the kernel's place.
enum class Fault {
    none,
    no_proxy_fence,     // fence_proxy_async does nothing
    no_barrier_fence,   // nor fence_mbarrier_init
    no_wgmma_fence,
    late_wgmma_wait,    // waits that leave groups pending leave one more
    no_last_wgmma_wait, // waits for all groups leave one pending
    late_store_wait,    // waits leave one group more pending
    late_copy_wait,
    no_phase_wait,      // waits for a barrier's phase return at once
    no_free_wait,       // those for a phase before the first one's end, that is for free stages
    wrong_bytes,        // 16 bytes more are announced than come
    fewer_bytes,        // 16 bytes fewer
    no_block_barrier,
    no_warp_barrier,
    no_named_barrier,
    wrong_count,        // named barriers wait for one warp more
    no_cluster_barrier,
    no_grid_wait,
    few_registers,      // the first warpgroup keeps its registers
    rough_functions,    // approximate functions err eight times as far as PTX allows
    in_kernel,          // none: the test's own kernel has one
    count
};

extern Fault fault;

/// What a planted fault must be found by: a part of the message, or null.
extern const char* expected;

/// How asynchronous things happen and in which order threads run: 0 late and in order, 1 at once and in order, others by chance.
extern unsigned mood;

/// Says what is wrong, with the thread. Ends the program where a fault was planted.
__attribute__((format(printf, 1, 2))) void wrong(const char* format, ...);

/// Runs kernel() for every thread of every block; clusters are of `cluster` blocks, along y, or along x where the grid has one row. `overlaps`: with the kernel
/// before, which must not be noticed.
void launch(unsigned grid_x, unsigned grid_y, unsigned threads, const std::function<void()>& kernel, unsigned cluster = 1, bool overlaps = false);

/// Runs a test in so many moods, or once with the fault that the arguments name; returns main's result.
int run_test(int count, char** arguments, unsigned moods, int least_checks, const std::function<void()>& test);

/// Memory for the vectors that kernels work on.
void* allocate_global(std::size_t bytes);
void free_global(void* memory);

template <class T>
struct GlobalAllocator {
    using value_type = T;
    GlobalAllocator() = default;
    template <class U>
    GlobalAllocator(const GlobalAllocator<U>&) {}
    T* allocate(std::size_t count) { return static_cast<T*>(allocate_global(count * sizeof(T))); }
    void deallocate(T* memory, std::size_t) { free_global(memory); }
    friend bool operator==(const GlobalAllocator&, const GlobalAllocator&) { return true; }
};

template <class T>
using Global = std::vector<T, GlobalAllocator<T>>;

// Barriers.
void sync_block();
void sync_warp();
void sync_named(unsigned barrier, unsigned threads);
void cluster_arrive();
void cluster_wait();
void grid_wait();
void set_registers(int count, bool more);

// Shared memory, in the way of a warp or of a thread. Addresses carry the block of the cluster in their upper eight bits, as the hardware's do. What others do to a block's shared
// memory must be known to one of its threads when that one ends.
void load_shared(void* to, unsigned address, unsigned bytes, bool of_cluster = false);
void store_shared(unsigned address, const void* from, unsigned bytes);
unsigned shared_address(const void* pointer);
float shuffle_xor(float value, int mask);
int shuffle(int value, int lane);
void load_matrices(unsigned* to, unsigned address, bool transposed);                           // four
void store_matrices(unsigned address, const unsigned* from, unsigned count, bool transposed);
void multiply_fragments(float* d, const unsigned* a, const unsigned* b, float (*decode)(unsigned short));

// The copy engine's barriers.
void barrier_init(unsigned barrier, unsigned count);
void barrier_fence();
void barrier_arrive(unsigned barrier, unsigned bytes);
void barrier_wait(unsigned barrier, unsigned parity);

struct alignas(64) TensorMap {
    unsigned short* address;
    int lengths[3]; // the fastest first
    int box[3];
    long long strides[2] = {0, 0}; // elements from one of the second and third dimension to the next; 0 where they lie side by side
};

static_assert(sizeof(TensorMap) <= 128);

void bulk_load(unsigned to, const TensorMap& map, int x, int y, int z, unsigned barrier);
void bulk_store(const TensorMap& map, int x, int y, int z, unsigned from);
void bulk_commit();
void bulk_wait_read(unsigned pending);
void proxy_fence();

// cp.async.
void copy(unsigned to, const void* from, unsigned bytes, unsigned size);
void copy_commit();
void copy_wait(unsigned pending);

// wgmma.
void wgmma_fence();
void wgmma_commit();
void wgmma_wait(unsigned pending);

struct WgmmaOperands {
    unsigned long long a, b;
    bool transposed_a, transposed_b, add;
    int registers;
    float (*decode)(unsigned short);
    bool operator==(const WgmmaOperands&) const = default;
};

void wgmma(float* d, const WgmmaOperands& operands);

} // namespace emulated
