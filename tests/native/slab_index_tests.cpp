// The index arithmetic of kernels/kronecker/indices.cuh against its definitions: fibres of a slab, tiles of a tensor, scales, divisions.
#include "kronecker/indices.cuh"

#include <vector>

#include "check.h"

using namespace tera;

static Divisor divisor(u32 value) {
    return Divisor{value, value == 1 ? 0u : static_cast<u32>(((1ull << 32) + value - 1) / value)};
}

static u32 stride(const SlabLayout& layout, u32 trailing) {
    return layout.span.value <= trailing ? trailing + trailing / layout.span.value * layout.pad : trailing;
}

// out[a, j, c] and in[a, k, c] lie where the row-major order, padded, puts them.
static void fibres(u32 leading, u32 in, u32 out, u32 trailing, u32 in_pad, u32 out_pad) {
    const SlabLayout in_layout{divisor(trailing), in_pad}, out_layout{divisor(trailing * out), out_pad};
    KroneckerStage stage{};
    stage.in = in;
    stage.out = out;
    stage.fibres = leading * trailing;
    stage.trailing = divisor(trailing);
    stage.in_layout = in_layout;
    stage.out_layout = out_layout;
    stage.in_stride = stride(in_layout, trailing);
    stage.out_stride = stride(out_layout, trailing);
    stage.source = 12;
    stage.target = 40;
    for (u32 a = 0; a < leading; ++a) {
        for (u32 c = 0; c < trailing; ++c) {
            const u32 f = a * trailing + c;
            for (u32 k = 0; k < in; ++k) {
                check(fibre_source(stage, f) + k * stage.in_stride == 12 + place(in_layout, (a * in + k) * trailing + c), "in[%u, %u, %u]", a, k, c);
            }
            for (u32 j = 0; j < out; ++j) {
                check(fibre_target(stage, f) + j * stage.out_stride == 40 + place(out_layout, (a * out + j) * trailing + c), "out[%u, %u, %u]", a, j, c);
            }
        }
    }
}

// The slabs cover every element of the tensor exactly once, and nothing outside.
static void tiles(i64 outer, u32 group, i64 inner, u32 tile_rows, u32 tile_columns) {
    const bool whole = tile_columns == inner;
    SlabSide side{};
    side.group = group;
    side.stride = inner;
    side.runs = whole ? 1 : tile_rows * group;
    side.length = whole ? tile_rows * group * tile_columns : tile_columns;
    std::vector<int> seen(static_cast<size_t>(outer * group * inner));
    for (i64 row = 0; row < outer; row += tile_rows) {
        for (i64 column = 0; column < inner; column += tile_columns) {
            const u32 rows = static_cast<u32>(outer - row < tile_rows ? outer - row : tile_rows);
            const u32 columns = static_cast<u32>(inner - column < tile_columns ? inner - column : tile_columns);
            const SlabTile tile = slab_tile(side, inner, row, column, rows, columns);
            check(tile.valid_runs <= side.runs && tile.valid_length <= side.length, "a tile is larger than its slab");
            for (u32 run = 0; run < tile.valid_runs; ++run) {
                for (u32 x = 0; x < tile.valid_length; ++x) {
                    const i64 number = tile.base + run * side.stride + x;
                    const u32 e = run * side.length + x;
                    const i64 o = number / inner / group, i = number % inner;
                    check(number < static_cast<i64>(seen.size()), "outside the tensor");
                    // Row-major in the slab: (outer, group, inner) relative to the tile.
                    check(e == ((o - row) * group + number / inner % group) * tile_columns + i - column, "element %lld of the tensor", number);
                    ++seen[static_cast<size_t>(number)];
                }
            }
        }
    }
    for (size_t number = 0; number < seen.size(); ++number) {
        check(seen[number] == 1, "element %zu is in %d slabs", number, seen[number]);
    }
}

static void scales(u64 first, u64 inner, u64 length) {
    const ScaleIndex index{inner, length};
    ScaleWalk walk = scale_at(index, first);
    for (u64 number = first; number < first + 3 * inner * length + 5 && number < first + 2000; ++number) {
        check(walk.index == number / inner % length, "scale of element %llu", number);
        advance(index, walk);
    }
}

int main() {
    for (const u32 value : {1u, 2u, 3u, 7u, 16u, 255u, 4099u, 65535u}) {
        for (u32 n = 0; n < 65536; ++n) {
            check(quotient(n, divisor(value)) == n / value, "%u / %u", n, value);
        }
    }
    fibres(1, 1, 1, 1, 0, 0);
    fibres(3, 16, 8, 256, 0, 16);
    fibres(16, 16, 16, 16, 1, 4);
    fibres(256, 16, 16, 1, 0, 1);
    fibres(5, 7, 3, 11, 2, 1);
    tiles(1, 1, 1, 1, 1);
    tiles(7, 12, 1, 4, 1);
    tiles(5, 6, 10, 2, 10);
    tiles(3, 4, 37, 2, 16);
    tiles(1, 1, 40, 1, 16);
    scales(0, 1, 5);
    scales(17, 3, 4);
    scales((1ull << 32) - 9, 7, 3);
    scales(1ull << 40, 1, 1000);
    return finish(500'000);
}
