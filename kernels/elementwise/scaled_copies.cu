// output[j, k] = λ[ρ, b] · input[ρ, k] · γ[b, k] in float32, rounded once: n copies of a matrix below each other, each with scales of its own.
// Output row j is row ρ of copy b: j = b·rows + ρ, or ρ·n + b when `row_by_row`.
//
// A block takes a tile of columns and a part of the rows of one copy: `width` threads a row, eight columns a thread, whose γ they keep.
//
// TERA_INPUT, TERA_OUTPUT: 0 float32, 1 bfloat16, 2 float16.
#include "common/quads.cuh"
#include "ptx/griddepcontrol.cuh"

namespace tera {

constexpr int kCopyRows = 2; // rows that a thread has under way

/// Same layout as the C# struct.
struct ScaledCopiesArguments {
    const void* input;
    void* output;
    const float* row_scale;     // rows × copies, or null
    const float* column_scale;  // copies × columns, or null
    i64 rows;
    i64 columns;
    i64 stride;
    i64 copies;
    i64 part_rows;
    u32 tiles;  // of 8·width columns
    u32 parts;
    u32 row_by_row;
    u32 width;
    u32 depth;  // rows of the block at a time
    u32 streaming;
};

}  // namespace tera

extern "C" __global__ void __launch_bounds__(256) scaled_copies(const __grid_constant__ tera::ScaledCopiesArguments p) {
    using namespace tera;
    const u32 tile = blockIdx.x % p.tiles, part = blockIdx.x / p.tiles % p.parts;
    const i64 copy = blockIdx.x / p.tiles / p.parts;
    const i64 first = static_cast<i64>(part) * p.part_rows, end = min(first + p.part_rows, p.rows);
    const i64 k = 8 * (static_cast<i64>(tile) * p.width + threadIdx.x % p.width), count = p.columns - k;
    const bool input_aligned = eight_aligned(p.input) && p.stride % 8 == 0;
    const bool output_aligned = eight_aligned(p.output) && p.columns % 8 == 0;
    ptx::griddepcontrol_wait();
    ptx::griddepcontrol_launch_dependents();
    if (count <= 0) {
        return;
    }
    float gamma[8] = {1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f};
    if (p.column_scale != nullptr) {
        read_eight<kFloat32>(p.column_scale, copy * p.columns + k, count, eight_aligned(p.column_scale) && p.columns % 8 == 0, gamma);
    }
    for (i64 row = first + threadIdx.x / p.width; row < end; row += kCopyRows * p.depth) {
        float v[kCopyRows][8], lambda[kCopyRows];
#pragma unroll
        for (int i = 0; i < kCopyRows; ++i) {
            const i64 source = min(row + i * p.depth, end - 1);
            lambda[i] = p.row_scale == nullptr ? 1.0f : p.row_scale[source * p.copies + copy];
            read_eight<TERA_INPUT>(p.input, source * p.stride + k, count, input_aligned, v[i]);
        }
#pragma unroll
        for (int i = 0; i < kCopyRows; ++i) {
            if (const i64 target = row + i * p.depth; target < end) {
                const i64 j = p.row_by_row ? target * p.copies + copy : copy * p.rows + target;
#pragma unroll
                for (int u = 0; u < 8; ++u) {
                    v[i][u] = lambda[i] * v[i][u] * gamma[u];
                }
                write_eight<TERA_OUTPUT>(p.output, j * p.columns + k, count, output_aligned, p.streaming != 0, v[i]);
            }
        }
    }
}
