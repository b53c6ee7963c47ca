// The emulation itself: a small kernel that is right passes in every mood, and each small kernel with a mistake is found out.
#include "check.h"
#include "emulated/cuda.h"
#include "ptx/cluster.cuh"
#include "ptx/cp_async.cuh"
#include "ptx/griddepcontrol.cuh"
#include "ptx/ldmatrix.cuh"
#include "ptx/mbarrier.cuh"
#include "ptx/tma.cuh"
#include "ptx/warpgroup.cuh"
#include "ptx/wgmma.cuh"

#include <cstring>

using namespace tera;

namespace {

constexpr unsigned kBox = 64 * 128; // bytes of a box

emulated::Global<unsigned short>* memory;

ptx::TensorMap map() { return {memory->data(), {64, 64, 1}, {64, 64, 1}}; }

/// Where the barrier lies, behind four boxes.
unsigned barrier() { return ptx::shared_address(shared) + 4 * kBox; }

float& word(unsigned number) { return reinterpret_cast<float*>(shared)[number]; }

unsigned long long operand(unsigned address) { return 1ull << 62 | 64ull << 32 | 1ull << 16 | address >> 4; }

void start(unsigned count = 1)
{
    if (threadIdx.x == 0) {
        ptx::mbarrier_init(barrier(), count);
        ptx::fence_mbarrier_init();
    }
    __syncthreads();
}

void meet()
{
    ptx::barrier_cluster_arrive();
    ptx::barrier_cluster_wait();
}

void load(const ptx::TensorMap& from, unsigned to)
{
    ptx::mbarrier_arrive_expect_tx(barrier(), kBox);
    ptx::cp_async_bulk_tensor_2d_load(to, &from, 0, 0, barrier());
}

void multiply(float (&d)[32], unsigned a, unsigned b) { ptx::wgmma_m64n64k16_bf16<0, 0>(d, operand(a), operand(b), 0); }

struct Kernel {
    const char *name, *found; // and a part of what is said about it
    unsigned blocks;
    void (*run)(const ptx::TensorMap&);
    unsigned cluster = 1;
};

/// A box comes in, is multiplied with itself and doubled in place, and leaves.
void right(const ptx::TensorMap& m)
{
    start();
    ptx::griddepcontrol_wait();
    if (threadIdx.x == 0) {
        load(m, 0);
    }
    ptx::mbarrier_wait_parity(barrier(), 0);
    float d[32];
    ptx::wgmma_fence();
    multiply(d, 0, 0);
    ptx::wgmma_commit_group();
    ptx::wgmma_wait_group<0>();
    __syncthreads();
    auto* own = reinterpret_cast<unsigned short*>(shared + threadIdx.x * (kBox / 128));
    for (unsigned i = 0; i < kBox / 128 / 2; ++i) {
        own[i] += own[i];
    }
    ptx::fence_proxy_async();
    ptx::bar_sync(1, 128);
    if (threadIdx.x == 0) {
        ptx::cp_async_bulk_tensor_2d_store(&m, 0, 0, 0);
        ptx::cp_async_bulk_commit_group();
        ptx::cp_async_bulk_wait_group_read<0>();
    }
}

const Kernel kernels[] = {
    {"unordered_read", "may still read", 1, [](const ptx::TensorMap&) { ptx::griddepcontrol_wait(), word(threadIdx.x) = 1, __syncwarp(), word(200 + threadIdx.x) = word((threadIdx.x + 32) % 128); }},
    {"unordered_write", "nothing orders them", 1, [](const ptx::TensorMap&) { ptx::griddepcontrol_wait(), word(threadIdx.x / 64) = 1; }},
    {"block_reads_block", "read in the same launch", 2, [](const ptx::TensorMap&) { ptx::griddepcontrol_wait(), (*memory)[256 * blockIdx.x + threadIdx.x] = (*memory)[256 - 256 * blockIdx.x + threadIdx.x] + 1; }},
    {"blocks_write_once", "written again", 2, [](const ptx::TensorMap&) { ptx::griddepcontrol_wait(), (*memory)[threadIdx.x] = 1; }},
    {"early_write", "written before griddepcontrol_wait", 1, [](const ptx::TensorMap&) { (*memory)[threadIdx.x] = 1, ptx::griddepcontrol_wait(); }},
    {"parity_left_out", "a wait for parity 0", 1,
        [](const ptx::TensorMap&) {
            ptx::griddepcontrol_wait(), start(128);
            for (int i = 0; i < 3; ++i) {
                ptx::mbarrier_arrive(barrier());
                ptx::mbarrier_wait_parity(barrier(), 0);
            }
        }},
    {"too_many_arrivals", "ended before the thread knew", 1, [](const ptx::TensorMap&) { ptx::griddepcontrol_wait(), start(5), ptx::mbarrier_arrive(barrier()), ptx::mbarrier_wait_parity(barrier(), 0); }},
    {"registers_from_nowhere", "nobody can go on", 1, [](const ptx::TensorMap&) { ptx::griddepcontrol_wait(), ptx::setmaxnreg_inc<520>(); }},
    {"load_left_behind", "ends before 1 of its loads", 1,
        [](const ptx::TensorMap& m) {
            ptx::griddepcontrol_wait(), start();
            if (threadIdx.x == 0) {
                load(m, 0);
            }
        }},
    {"load_over_reader", "may still read", 1,
        [](const ptx::TensorMap& m) {
            ptx::griddepcontrol_wait(), start();
            volatile float value = word(threadIdx.x);
            if (threadIdx.x == 0) {
                load(m, 0);
            }
            ptx::mbarrier_wait_parity(barrier(), 0);
        }},
    {"load_over_writer", "no fence_proxy_async", 1,
        [](const ptx::TensorMap& m) {
            ptx::griddepcontrol_wait(), start();
            word(threadIdx.x) = 1;
            __syncthreads();
            if (threadIdx.x == 0) {
                load(m, 0);
            }
            ptx::mbarrier_wait_parity(barrier(), 0);
        }},
    {"copy_left_behind", "ends before its cp.async", 1, [](const ptx::TensorMap&) { ptx::griddepcontrol_wait(), ptx::cp_async_16(16 * threadIdx.x, memory->data() + 8 * threadIdx.x, 16), ptx::cp_async_commit(); }},
    {"store_left_behind", "bulk stores may still read", 1,
        [](const ptx::TensorMap& m) {
            ptx::griddepcontrol_wait();
            if (threadIdx.x == 0) {
                ptx::cp_async_bulk_tensor_2d_store(&m, 0, 0, 0);
                ptx::cp_async_bulk_commit_group();
            }
        }},
    {"touched_accumulators", "accumulators are written", 1,
        [](const ptx::TensorMap&) {
            ptx::griddepcontrol_wait();
            float d[32];
            ptx::wgmma_fence(), multiply(d, 0, 0), ptx::wgmma_commit_group();
            d[3] = 1;
            ptx::wgmma_wait_group<0>();
        }},
    {"different_wgmma", "different wgmma", 1,
        [](const ptx::TensorMap&) {
            ptx::griddepcontrol_wait();
            float d[32];
            ptx::wgmma_fence(), multiply(d, threadIdx.x / 32 % 2 * kBox, 0), ptx::wgmma_commit_group(), ptx::wgmma_wait_group<0>();
        }},
    {"unready_wgmma", "may still read", 1,
        [](const ptx::TensorMap& m) {
            ptx::griddepcontrol_wait(), start();
            if (threadIdx.x == 0) {
                load(m, 0);
            }
            if (threadIdx.x < 64) { // half of the warps wait
                ptx::mbarrier_wait_parity(barrier(), 0);
            }
            float d[32];
            ptx::wgmma_fence(), multiply(d, 0, 0), ptx::wgmma_commit_group(), ptx::wgmma_wait_group<0>();
        }},
    {"wgmma_of_plain_writes", "no fence_proxy_async", 1,
        [](const ptx::TensorMap&) {
            ptx::griddepcontrol_wait();
            word(threadIdx.x) = 1;
            __syncthreads();
            float d[32];
            ptx::wgmma_fence(), multiply(d, 0, 0), ptx::wgmma_commit_group(), ptx::wgmma_wait_group<0>();
        }},
    {"half_a_barrier", "nobody can go on", 1,
        [](const ptx::TensorMap&) {
            ptx::griddepcontrol_wait();
            if (threadIdx.x < 64) {
                ptx::bar_sync(1, 128);
            }
        }},
    {"different_instructions", "some lanes are at", 1,
        [](const ptx::TensorMap&) {
            ptx::griddepcontrol_wait();
            unsigned words[4];
            threadIdx.x % 2 ? ptx::ldmatrix_x4(words, 0) : static_cast<void>(__shfl_xor_sync(~0u, 1.0f, 1));
        }},
    {"half_a_warpgroup", "nobody can go on", 1,
        [](const ptx::TensorMap&) {
            ptx::griddepcontrol_wait();
            float d[32];
            if (threadIdx.x < 64) {
                ptx::wgmma_fence(), multiply(d, 0, 0), ptx::wgmma_commit_group(), ptx::wgmma_wait_group<0>();
            }
        }},
    {"read_of_ended_block", "block 1 of the cluster may end before", 2,
        [](const ptx::TensorMap&) {
            ptx::griddepcontrol_wait();
            word(threadIdx.x) = 1;
            meet();
            if (blockIdx.x == 0) {
                volatile float value = ptx::ld_shared_cluster_v4(ptx::mapa(ptx::shared_address(shared), 1)).x;
            }
        },
        2},
    {"write_over_reader_in_another_block", "may still read", 2,
        [](const ptx::TensorMap&) {
            ptx::griddepcontrol_wait();
            word(threadIdx.x) = 1;
            meet();
            if (blockIdx.x == 0) {
                volatile float value = ptx::ld_shared_cluster_v4(ptx::mapa(ptx::shared_address(shared), 1)).x;
            } else {
                word(threadIdx.x) = 2;
            }
            meet();
        },
        2},
};

} // namespace

int main(int count, char** arguments)
{
    emulated::Global<unsigned short> values(64 * 64 + 512);
    memory = &values;
    const ptx::TensorMap m = map();
    if (count > 1) {
        for (const Kernel& kernel : kernels) {
            if (std::strcmp(kernel.name, arguments[1]) == 0) {
                emulated::fault = emulated::Fault::in_kernel;
                emulated::expected = kernel.found;
                emulated::launch(kernel.blocks, 1, 128, [&] { kernel.run(m); }, kernel.cluster, true);
                std::printf("%s was not found\n", kernel.name);
            }
        }
        return EXIT_FAILURE;
    }
    return emulated::run_test(1, arguments, 12, 12 * 64 * 64, [&] {
        for (unsigned i = 0; i < values.size(); ++i) {
            values[i] = static_cast<unsigned short>(i % 50);
        }
        emulated::launch(1, 1, 128, [&] { right(m); }, 1, true);
        for (unsigned i = 0; i < 64 * 64; ++i) {
            check(values[i] == i % 50 * 2, "element %u is %u", i, values[i]);
        }
    });
}
