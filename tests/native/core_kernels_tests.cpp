// The kernels that make something of the core alone, compiled for the host over the instructions' emulation (emulated/), against plain loops:
// sizes on both sides of the generator's blocks and of a thread block's share, all distributions, both orientations.
#include "check.h"
#include "emulated/cuda.h"

#include "gemm/block_operands.cu"
#include "gemm/core_marginals.cu"
#include "gemm/core_projection_sum.cu"
#include "gemm/kronecker_matrices.cu"

#include <cmath>
#include <cstring>

using namespace tera;
using namespace tera::gemm;
using E = Element<TERA_DTYPE>;

namespace {

constexpr double kUnit = TERA_DTYPE == kFloat32 ? 0x1p-24 : 0x1p-8;

RandomSource source_of(int distribution, u32 stream) { return {12345, stream, static_cast<u32>(distribution), 10923, 1.7320508f}; }

u32 tiles(i64 length, i64 tile) { return static_cast<u32>((length + tile - 1) / tile); }

emulated::Global<float> numbers(i64 count)
{
    emulated::Global<float> values(count);
    for (i64 i = 0; i < count; ++i) {
        values[i] = static_cast<float>((i * 7 + count) % 5) - 1.5f;
    }
    return values;
}

WideDivisor divisor(u32 value)
{
    u32 shift = 0;
    while (u64{1} << shift < value) {
        ++shift;
    }
    return {value, static_cast<u32>(((u64{1} << (31 + shift)) + value - 1) / value), shift};
}

void divisors()
{
    for (u32 i = 0; i < 4000; ++i) {
        const u32 value = i < 1000 ? i + 1 : static_cast<u32>(i * 2654435761u) >> (1 + i % 31) | 1;
        const WideDivisor by = divisor(value);
        for (u32 j = 0; j < 64; ++j) {
            const u32 n = j < 32 ? (1u << j) - 1 : j < 48 ? (0x7FFFFFFFu / value) * value - (j - 40) : (i * 64 + j) * 2246822519u;
            check(by.quotient(n & 0x7FFFFFFFu) == (n & 0x7FFFFFFFu) / value, "%u / %u", n & 0x7FFFFFFFu, value);
        }
    }
}

/// M's blocks for what the arguments describe, and so many others.
void launch_operands(BlockOperandsArguments& p, u32 others)
{
    CoreExpansionArguments& e = p.expansion;
    if (e.output != nullptr) {
        const u32 across = tiles(e.core.rows, kQuadRows), places = e.over_columns ? tiles(e.rest, kQuadColumns) * across : tiles(e.rest * e.core.columns, kPlaces);
        e.columns = divisor(e.core.columns), e.across = divisor(across), e.place_blocks = divisor(places);
        e.blocks = places * tiles(e.out, kOuts);
    }
    emulated::launch(e.blocks + others, 1, kOperandThreads, [&] { block_operands(p); }, 1, true);
}

/// A diagonal of `count` numbers as that many vectors; values[] holds them.
Diagonal diagonal_of(i64 count, int vectors, std::vector<emulated::Global<float>>& values)
{
    Diagonal diagonal{};
    diagonal.vectors = vectors, diagonal.count = count;
    for (int m = 0; m < vectors; ++m) {
        u32 length = m + 1 == vectors ? count : 1;
        for (u32 divisor = 2; m + 1 < vectors && length == 1 && divisor < count; ++divisor) {
            length = count % divisor == 0 ? divisor : 1;
        }
        count /= length;
        diagonal.length[m] = divisor(length);
        values.push_back(numbers(length));
        diagonal.values[m] = values.back().data();
    }
    return diagonal;
}

/// From the first vector to the last, as outer_vectors multiplies them.
std::vector<float> product_of(const Diagonal& diagonal)
{
    std::vector<float> product(1, 1.0f);
    for (u32 m = 0; m < diagonal.vectors; ++m) {
        std::vector<float> longer;
        for (const float before : product) {
            for (u32 i = 0; i < diagonal.length[m].value; ++i) {
                longer.push_back(before * diagonal.values[m][i]);
            }
        }
        product = longer;
    }
    return product;
}

template <class T>
bool same_bits(const T& a, const T& b, std::size_t count)
{
    return std::memcmp(a.data(), b.data(), count * sizeof(a[0])) == 0;
}

void expansion(i32 in, i32 out, i64 rest, i64 other, bool over, bool contract, int distribution, int vectors)
{
    const i64 r = over ? other : in * rest, s = over ? in * rest : other, count = out * rest * other;
    std::vector<emulated::Global<float>> values;
    emulated::Global<E::Storage> output(count + 8), again(count + 8), f(24), g(24);
    BlockOperandsArguments p{};
    CoreExpansionArguments& e = p.expansion;
    e.output = output.data();
    e.scale[kInner] = diagonal_of(in * rest, vectors, values), e.scale[kOuter] = diagonal_of(other, (vectors + 1) % (kMostVectors + 1), values);
    e.core = {source_of(distribution, 0), r, s};
    e.factor = source_of(distribution, 7);
    e.rest = rest, e.in = in, e.out = out, e.in_step = contract ? out : 1, e.out_step = contract ? 1 : in;
    e.alpha = 0.5f, e.over_columns = over;
    const std::vector<float> inner = vectors > 0 ? product_of(e.scale[kInner]) : std::vector<float>(in * rest, 1.0f);
    const std::vector<float> outer = e.scale[kOuter].vectors > 0 ? product_of(e.scale[kOuter]) : std::vector<float>(other, 1.0f);
    launch_operands(p, 0);
    for (i64 o = 0; o < out; ++o) {
        for (i64 i = 0; i < rest; ++i) {
            for (i64 j = 0; j < other; ++j) {
                double sum = 0, size = 0;
                for (i64 k = 0; k < in; ++k) {
                    const i64 c = k * rest + i, number = over ? j * s + c : c * s + j;
                    const double term = 0.5 * random_element(e.factor, o * e.out_step + k * e.in_step) * inner[c] * outer[j] * random_element(e.core.source, number);
                    sum += term;
                    size += std::fabs(term);
                }
                const double found = E::decode(output[(o * rest + i) * other + j]);
                check(std::fabs(found - sum) <= 1.001 * kUnit * std::fabs(sum) + 16 * 0x1p-24 * size,
                    "expansion %d -> %d, rest %lld, other %lld, over columns %d, distribution %d: (%lld, %lld, %lld) is %g, not %g", in, out, rest, other, over, distribution, o, i, j, found, sum);
            }
        }
    }
    for (i64 i = count; i < count + 8; ++i) {
        check(E::decode(output[i]) == 0, "nothing behind the output is written");
    }

    // The same beside a matrix and the diagonals, and from diagonals in memory: no bit changes.
    p.matrix.output = f.data(), p.matrix.count = 24, p.matrix.columns = divisor(4), p.matrix.factors = source_of(distribution, 0), p.matrix.alpha = 0.25f;
    p.matrix.modes = 2, p.matrix.places = 12;
    p.matrix.mode[0] = {3, divisor(2), divisor(3), 1, 2, 0}, p.matrix.mode[1] = {4, divisor(2), divisor(2), 1, 2, 8};
    emulated::Global<float> d(in * rest, NAN), c(other, NAN);
    e.output = again.data();
    e.scale[kInner].output = vectors > 0 ? d.data() : nullptr, e.scale[kOuter].output = e.scale[kOuter].vectors > 0 ? c.data() : nullptr;
    launch_operands(p, 1 + count % 3);
    check(same_bits(output, again, count + 8), "an expansion beside others has its bits");
    for (i64 i = 0; vectors > 0 && i < in * rest; ++i) {
        check(d[i] == inner[i], "inner %lld is %g, not %g", i, d[i], inner[i]);
    }
    for (i64 i = 0; e.scale[kOuter].vectors > 0 && i < other; ++i) {
        check(c[i] == outer[i], "outer %lld is %g, not %g", i, c[i], outer[i]);
    }
    for (Diagonal& scale : e.scale) {
        if (scale.vectors > 0) {
            scale.values[0] = scale.output, scale.length[0] = divisor(scale.count), scale.vectors = 1, scale.output = nullptr;
        }
    }
    std::memset(again.data(), 0, (count + 8) * sizeof(again[0]));
    launch_operands(p, 0);
    check(same_bits(output, again, count + 8), "an expansion from diagonals in memory has its bits");
    p.expansion = {}, p.matrix.output = g.data();
    launch_operands(p, 1);
    check(same_bits(f, g, 24), "a matrix alone has its bits");
}

void marginals(i64 r, i64 s, u32 tile_rows, int shift, int layers, int distribution)
{
    emulated::Global<E::Storage> h(layers * r * s + shift);
    for (i64 i = 0; i < layers * r * s + shift; ++i) {
        h[i] = E::encode(static_cast<float>((i * 5 + 3) % 7) - 3.0f);
    }
    emulated::Global<float> d = numbers(r), e = numbers(s), rows(r, NAN), columns(s, NAN);
    const u32 tiles_m = tiles(r, tile_rows), tiles_n = tiles(s, kMarginalColumns);
    emulated::Global<float> row_partial(tiles_n * r, NAN), column_partial(tiles_m * s, NAN);
    const CoreMarginalsArguments p{h.data() + shift, d.data(), e.data(), row_partial.data(), column_partial.data(), {source_of(distribution, 0), r, s}, tile_rows, tiles_n, layers};
    emulated::launch(tiles_m * tiles_n, 1, 32 * kMarginalWarps, [&] { core_marginals(p); }, 1, true);
    const CoreProjectionSumArguments sums{row_partial.data(), column_partial.data(), rows.data(), columns.data(), r, s,
        static_cast<i32>(tiles_n), static_cast<i32>(tiles_m), 0.5f, tiles(r, kSumElements)};
    emulated::launch(tiles(r, kSumElements) + tiles(s, kSumElements), 1, 32 * kSumWarps, [&] { core_projection_sum(sums); }, 1, true);
    std::vector<double> row_sum(r), row_size(r), column_sum(s), column_size(s);
    for (i64 i = 0; i < r; ++i) {
        for (i64 j = 0; j < s; ++j) {
            double sum = 0;
            for (int layer = 0; layer < layers; ++layer) {
                sum += E::decode(h[shift + (layer * r + i) * s + j]);
            }
            const double x = 0.5 * sum * random_element(p.core.source, i * s + j);
            row_sum[i] += x * e[j], row_size[i] += std::fabs(x * e[j]);
            column_sum[j] += x * d[i], column_size[j] += std::fabs(x * d[i]);
        }
    }
    for (i64 i = 0; i < r; ++i) {
        check(std::fabs(rows[i] - row_sum[i]) <= 16 * 0x1p-24 * row_size[i], "marginals %lldx%lld: row %lld is %g, not %g", r, s, i, rows[i], row_sum[i]);
    }
    for (i64 j = 0; j < s; ++j) {
        check(std::fabs(columns[j] - column_sum[j]) <= 16 * 0x1p-24 * column_size[j], "marginals %lldx%lld: column %lld is %g, not %g", r, s, j, columns[j], column_sum[j]);
    }
}

struct Size {
    u32 out, in;
};

/// A matrix with its result, and the scales of its modes where it has any.
struct TestMatrix {
    std::vector<Size> sizes;
    i64 rows = 1, columns = 1;
    emulated::Global<E::Storage> output;
    std::vector<emulated::Global<float>> scales;

    TestMatrix(KroneckerMatrix& p, MatrixMode* mode, const std::vector<Size>& of, bool contract, bool kept, bool scaled, int distribution)
        : sizes(of), output(number_of(of))
    {
        u32 place = 0;
        for (u32 m = 0; m < sizes.size(); ++m) {
            scales.push_back(numbers(sizes[m].in));
            mode[m] = {m + 1, divisor(sizes[m].in), divisor(sizes[m].out), contract ? sizes[m].out : 1, contract ? 1 : sizes[m].in, place, scaled ? scales[m].data() : nullptr};
            place += kept ? tiles(sizes[m].in * sizes[m].out, 4) * 4 : 0;
            rows *= sizes[m].out, columns *= sizes[m].in;
        }
        p.output = output.data(), p.count = rows * columns, p.columns = divisor(columns);
        p.factors = source_of(distribution, 0), p.alpha = 0.5f;
        p.modes = static_cast<u32>(sizes.size()), p.places = place;
    }

    static i64 number_of(const std::vector<Size>& sizes)
    {
        i64 count = 1;
        for (const Size& size : sizes) {
            count *= size.out * size.in;
        }
        return count;
    }

    void check_result(const KroneckerMatrix& p, const MatrixMode* mode) const
    {
        for (i64 row = 0; row < rows; ++row) {
            for (i64 column = 0; column < columns; ++column) {
                double product = 0.5;
                i64 o = row, i = column;
                for (u32 m = p.modes; m-- > 0;) {
                    product *= random_element(factor_of(p, mode[m]), o % sizes[m].out * mode[m].out_step + i % sizes[m].in * mode[m].in_step);
                    product *= mode[m].scale == nullptr ? 1 : scales[m][i % sizes[m].in];
                    o /= sizes[m].out, i /= sizes[m].in;
                }
                const double found = E::decode(output[row * columns + column]);
                check(std::fabs(found - product) <= (1.001 * kUnit + 8 * 0x1p-24) * std::fabs(product), "matrix %lldx%lld: (%lld, %lld) is %g, not %g", rows, columns, row, column, found, product);
            }
        }
    }
};

void matrix(const std::vector<Size>& sizes, bool contract, bool kept, u32 blocks, int distribution)
{
    BlockOperandsArguments operands{};
    KroneckerMatrixArguments& p = operands.matrix;
    const TestMatrix test(p, p.mode, sizes, contract, kept, false, distribution);
    launch_operands(operands, blocks);
    test.check_result(p, p.mode);
}

/// Several matrices with scales and without, with the last mode apart or not, and two diagonals or none.
void matrices(bool diagonals, int distribution)
{
    KroneckerMatricesArguments p{};
    const std::vector<std::vector<Size>> sizes = {{{8, 5}}, {{4, 6}, {16, 8}, {3, 8}}, {{40, 70}, {2, 1}}, {{3, 5}}};
    std::vector<TestMatrix> tests;
    u32 modes = 0, blocks = 0;
    for (u32 i = 0; i < sizes.size(); ++i) {
        PlacedMatrix& placed = p.matrix[i];
        tests.emplace_back(placed, p.mode + modes, sizes[i], i % 2 == 0, i != 2, i < 3, distribution);
        placed.last_apart = i == 1, placed.first_mode = modes, placed.first_block = blocks;
        modes += placed.modes, blocks += i == 1 ? 2 : tiles(placed.count, kMatrixNumbers * kMatricesThreads);
    }
    p.matrices = static_cast<u32>(sizes.size()), p.diagonal_block = blocks;
    const emulated::Global<float> first = numbers(24), second = numbers(17), third = numbers(5);
    emulated::Global<float> d(24 * 17, NAN), e(5, NAN);
    p.diagonal[0] = {{first.data(), second.data()}, diagonals ? d.data() : nullptr, {divisor(24), divisor(17)}, 2, 24 * 17};
    p.diagonal[1] = {{third.data()}, diagonals ? e.data() : nullptr, {divisor(5)}, 1, 5};
    emulated::launch(blocks + diagonals, 1, kMatricesThreads, [&] { kronecker_matrices(p); }, 1, true);
    for (u32 i = 0; i < sizes.size(); ++i) {
        tests[i].check_result(p.matrix[i], p.mode + p.matrix[i].first_mode);
    }
    for (u32 i = 0; diagonals && i < 24 * 17; ++i) {
        check(d[i] == first[i / 17] * second[i % 17] && (i >= 5 || e[i] == third[i]), "number %u of the diagonals", i);
    }
}

void run()
{
    divisors();
    for (int distribution = 0; distribution < 4; ++distribution) {
        for (const bool over : {false, true}) {
            expansion(8, 16, 8, 40, over, false, distribution, 3);
            expansion(5, 3, 7, 9, over, distribution % 2 == 0, distribution, 2);
            expansion(12, 70, 2, 36, over, distribution % 2 == 1, distribution, distribution);
            expansion(1, 1, 1, 1, over, false, distribution, 1);
            expansion(2, 2, 40, 3, over, false, distribution, 4);
            expansion(9, 5, 150, 1, over, false, distribution, 0);
        }
        marginals(33, 264, 16, 0, TERA_DTYPE == kFloat32 ? 5 : 1, distribution);
        marginals(20, 520, 8, 1, 1, distribution);
        marginals(9, 37, 8, 0, TERA_DTYPE == kFloat32 ? 3 : 1, distribution);
        matrix({{16, 8}, {5, 3}}, distribution % 2 == 0, true, 3, distribution);
        matrix({{3, 2}, {1, 5}, {7, 1}}, distribution % 2 == 1, distribution < 2, 1, distribution);
        matrices(distribution % 2 == 0, distribution);
    }
}

} // namespace

int main(int count, char** arguments) { return emulated::run_test(count, arguments, 3, 1000, run); }
