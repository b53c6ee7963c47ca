// Instructions of a whole warp, and words of shared memory.
#include "check.h"
#include "state.h"

#include <cstring>

namespace emulated {

namespace {

/// The last lane to come does it for all. No memory is ordered by that.
template <class Run>
void together(const char* instruction, void* arguments, const Run& run)
{
    Warp& w = warp();
    if (w.arrived == 0) {
        w.instruction = instruction;
    } else if (w.instruction != instruction) {
        wrong("some lanes are at %s, others at %s", w.instruction, instruction);
    }
    w.arguments[thread_index.x % 32] = arguments;
    const unsigned generation = w.generation;
    if (++w.arrived == 32) {
        run(w.arguments);
        w.arrived = 0;
        ++w.generation;
    } else {
        wait_until(&w.generation, generation, instruction);
    }
}

struct Row {
    unsigned address;
    unsigned* words;
    unsigned short values[8];
};

} // namespace

unsigned shared_address(const void* pointer) { return cluster_rank << 24 | static_cast<unsigned>(static_cast<const unsigned char*>(pointer) - shared); }

unsigned own(unsigned address)
{
    if (address >> 24 != cluster_rank) {
        wrong("shared address %#x is of another block", address);
    }
    return address & 0xFFFFFF;
}

void load_shared(void* to, unsigned address, unsigned bytes, bool of_cluster)
{
    const unsigned rank = of_cluster ? address >> 24 : cluster_rank, at = of_cluster ? address & 0xFFFFFF : own(address);
    if (at % bytes != 0 || rank >= blocks.size()) {
        wrong("%u bytes of shared memory at %u are not aligned, or of no block", bytes, at);
    }
    on_read(rank, at, bytes, fiber, self().times.seen[fiber], false);
    on_visit(rank, fiber, self().times.seen[fiber]);
    std::memcpy(to, memory_of(rank) + at, bytes);
}

void store_shared(unsigned address, const void* from, unsigned bytes)
{
    const unsigned at = own(address);
    if (at % bytes != 0) {
        wrong("%u bytes of shared memory at %u are not aligned", bytes, at);
    }
    on_write(cluster_rank, at, bytes, fiber, self().times.seen[fiber], false);
    std::memcpy(shared + at, from, bytes);
}

float shuffle_xor(float value, int mask)
{
    struct Value {
        float value, result;
    } own{value, 0};
    together("shfl", &own, [mask](void** all) {
        for (int lane = 0; lane < 32; ++lane) {
            static_cast<Value*>(all[lane])->result = static_cast<Value*>(all[lane ^ mask])->value;
        }
    });
    return own.result;
}

int shuffle(int value, int from)
{
    struct Value {
        int value, result;
    } own{value, 0};
    together("shfl", &own, [from](void** all) {
        for (int lane = 0; lane < 32; ++lane) {
            static_cast<Value*>(all[lane])->result = static_cast<Value*>(all[from])->value;
        }
    });
    return own.result;
}

void load_matrices(unsigned* to, unsigned address, bool transposed)
{
    Row own{address, to, {}};
    load_shared(own.values, address, 16);
    together("ldmatrix", &own, [transposed](void** all) {
        const auto element = [all](unsigned matrix, unsigned row, unsigned column) -> unsigned { return static_cast<Row*>(all[matrix * 8 + row])->values[column]; };
        for (unsigned lane = 0; lane < 32; ++lane) {
            const unsigned g = lane / 4, t = lane % 4;
            for (unsigned i = 0; i < 4; ++i) {
                static_cast<Row*>(all[lane])->words[i] = transposed ? element(i, 2 * t, g) | element(i, 2 * t + 1, g) << 16 : element(i, g, 2 * t) | element(i, g, 2 * t + 1) << 16;
            }
        }
    });
}

void store_matrices(unsigned address, const unsigned* from, unsigned count, bool transposed)
{
    Row row{own(address), const_cast<unsigned*>(from), {}};
    const auto run = [count, transposed](void** all) {
        for (unsigned lane = 0; lane < 32; ++lane) {
            const unsigned g = lane / 4, t = lane % 4;
            for (unsigned i = 0; i < count; ++i) {
                for (unsigned half = 0; half < 2; ++half) {
                    const unsigned row = transposed ? 2 * t + half : g, column = transposed ? g : 2 * t + half;
                    static_cast<Row*>(all[i * 8 + row])->values[column] = static_cast<unsigned short>(static_cast<Row*>(all[lane])->words[i] >> 16 * half);
                }
            }
        }
        // Written at once, so that no lane goes on before.
        for (unsigned lane = 0; lane < 8 * count; ++lane) {
            const auto* row = static_cast<Row*>(all[lane]);
            std::memcpy(shared + row->address, row->values, 16);
        }
    };
    if (thread_index.x % 32 < 8 * count) {
        if (address % 16 != 0) {
            wrong("stmatrix wants 16-byte addresses");
        }
        on_write(cluster_rank, row.address, 16, fiber, self().times.seen[fiber], false);
    }
    together("stmatrix", &row, run);
}

/// From the PTX ISA's fragment layouts; sums in float64, rounded once.
void multiply_fragments(float* d, const unsigned* a, const unsigned* b, float (*decode)(unsigned short))
{
    struct Fragments {
        float* d;
        const unsigned *a, *b;
    } own{d, a, b};
    together("mma", &own, [decode](void** all) {
        double left[16][16], right[16][8];
        for (unsigned lane = 0; lane < 32; ++lane) {
            const auto& f = *static_cast<Fragments*>(all[lane]);
            const unsigned g = lane / 4, t = lane % 4;
            for (unsigned half = 0; half < 2; ++half) {
                for (unsigned i = 0; i < 4; ++i) {
                    left[g + i % 2 * 8][2 * t + half + i / 2 * 8] = decode(static_cast<unsigned short>(f.a[i] >> 16 * half));
                }
                for (unsigned i = 0; i < 2; ++i) {
                    right[2 * t + half + i * 8][g] = decode(static_cast<unsigned short>(f.b[i] >> 16 * half));
                }
            }
        }
        for (unsigned lane = 0; lane < 32; ++lane) {
            float* sums = static_cast<Fragments*>(all[lane])->d;
            for (unsigned i = 0; i < 4; ++i) {
                const unsigned row = lane / 4 + i / 2 * 8, column = 2 * (lane % 4) + i % 2;
                double sum = sums[i];
                for (unsigned k = 0; k < 16; ++k) {
                    sum += left[row][k] * right[k][column];
                }
                sums[i] = static_cast<float>(sum);
            }
        }
    });
}

} // namespace emulated
