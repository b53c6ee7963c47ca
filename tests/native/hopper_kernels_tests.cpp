// The Hopper kernels themselves, compiled for the host over the emulation of their instructions (emulated/): copy engine, barriers, swizzled
// operands of wgmma, fragments, epilogues, against plain loops on integers. TERA_KERNEL: 0 wgmma_product, 2 wgmma_modes,
// 3 wgmma_thin_product.
#include "check.h"
#include "emulated/cuda.h"

#include <cmath>

#if TERA_KERNEL == 0
#include "gemm/wgmma_product.cu"
#elif TERA_KERNEL == 3
#include "gemm/wgmma_thin_product.cu"
#else
#include "kronecker/wgmma_modes.cu"
#endif

using namespace tera;
using E = Element<TERA_DTYPE>;
using Matrix = emulated::Global<unsigned short>;

namespace {

unsigned long long random_state = 1;

int random_integer(int limit)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<int>((random_state >> 33) % (2 * limit + 1)) - limit;
}

Matrix random_matrix(int count)
{
    Matrix matrix(count);
    for (auto& element : matrix) {
        element = E::encode(static_cast<float>(random_integer(2)));
    }
    return matrix;
}

ptx::TensorMap map_of(Matrix& matrix, int fast, int slow, int box_fast, int box_slow)
{
    return {matrix.data(), {fast, slow, 1}, {box_fast, box_slow, 1}};
}

int tiles(int length, int tile) { return (length + tile - 1) / tile; }

#if TERA_KERNEL == 0
struct Options {
    bool accumulate = false, in_place = false, bias = false;
    int parts = 1;
    int width = 0, block_k = 8; // of the second product's blocks; all of C's columns where the width is 0
};

void product(int m, int n, int k, int grid, const Options& options)
{
    const int width = options.width == 0 ? n : options.width, blocks = n / width, block_k = options.block_k;
    Matrix a = random_matrix(m * k), b = random_matrix(k * n), bias = random_matrix(n), added = random_matrix(m * n), c(m * n, 0xFFFF);
    Matrix block_a = random_matrix(m * blocks * block_k), block_b = random_matrix(block_k * width);
    if (options.in_place) {
        c = added;
    }
    const int part_length = tiles(tiles(k, options.parts), kDepth) * kDepth, parts = tiles(k, part_length);
    emulated::Global<float> single(parts * m * n, NAN), single_added(m * n, 3.0f);
    const bool adds = TERA_OUTPUT == 0 ? options.accumulate : TERA_ADD != 0;
    WgmmaProductArguments p{};
    p.a = TERA_TRANSPOSED_A ? map_of(a, m, k, 64, 64) : map_of(a, k, m, 64, 128);
    p.b = TERA_TRANSPOSED_B ? map_of(b, k, n, 64, kTileN) : map_of(b, n, k, 64, 64);
    p.c = map_of(c, n, m, 64, 64);
    p.add = map_of(options.in_place ? c : added, n, m, 64, 64);
    p.block_a = {block_a.data(), {block_k, blocks, m}, {64, 1, 128}};
    p.block_b = TERA_BLOCKS == 2 ? map_of(block_b, block_k, width, 64, kTileN) : map_of(block_b, width, block_k, 64, 64);
    p.bias = options.bias ? bias.data() : nullptr, p.c_single = single.data();
    p.add_single = adds ? single_added.data() : nullptr;
    p.alpha = -0.5f;
    p.m = m, p.n = n, p.k = k;
    p.part_length = part_length, p.parts = parts;
    p.block_k = block_k, p.block_columns = width;
    p.tiles_m = tiles(m, kTileM), p.tiles_n = tiles(n, kTileN), p.group = 2;
    const Matrix before = added;
    emulated::launch(grid, 1, 128 * (kConsumers + 1), [&] { wgmma_product(p); }, 1, true);
    for (int row = 0; row < m; ++row) {
        for (int column = 0; column < n; ++column) {
            float sum = 0;
            for (int i = 0; i < k; ++i) {
                sum += E::decode(a[TERA_TRANSPOSED_A ? i * m + row : row * k + i]) * E::decode(b[TERA_TRANSPOSED_B ? column * k + i : i * n + column]);
            }
            for (int i = 0; i < block_k && TERA_BLOCKS != 0; ++i) {
                const int c2 = column % width;
                sum += E::decode(block_a[(row * blocks + column / width) * block_k + i]) * E::decode(block_b[TERA_BLOCKS == 2 ? c2 * block_k + i : i * width + c2]);
            }
            const float addend = TERA_OUTPUT == 0 ? 3.0f : E::decode(before[row * n + column]);
            const float once = (options.bias ? E::decode(bias[column]) : 0) + (adds ? addend : 0);
            float found = E::decode(c[row * n + column]);
            if (TERA_OUTPUT == 0) {
                found = 0;
                for (int part = 0; part < parts; ++part) {
                    found += single[(part * m + row) * n + column];
                }
            }
            const float value = -0.5f * sum + parts * once;
            check(found == (TERA_OUTPUT == 0 ? value : E::decode(E::encode(value))), "C[%d, %d] of %dx%dx%d is %g, not %g", row, column, m, n, k, found, value);
        }
    }
}

void run()
{
    product(128, 256, 64, 1, {.bias = true});
    product(136, 264, 200, 2, {.accumulate = true, .in_place = TERA_ADD != 0});
    product(264, 520, 72, 3, {.accumulate = true, .bias = true});
    product(72, 72, 8, 1, {.in_place = TERA_ADD != 0});
    product(200, kTileN + 8, 520, 1, {}); // laps of the ring, in one tile and from one to the next
    if (TERA_OUTPUT == 0) {
        product(136, 264, 520, 3, {.parts = 3});
    }
    if (TERA_BLOCKS != 0) {
        product(136, 4 * kTileN, 72, 2, {.bias = true, .width = kTileN, .block_k = 72});
        product(200, 4 * kTileN, 64, 1, {.width = 2 * kTileN, .block_k = 136});
    }
}
#elif TERA_KERNEL == 3
/// D = long·thin, its sums in TERA_PARTS parts; C is D or its transpose.
void thin_product(int length, int width, int k, bool transposed, bool single, bool add)
{
    k += TERA_PARTS > 2 ? TERA_PARTS * (TERA_PARTS - 1) * kDepth : 0; // no part is empty
    Matrix a = random_matrix(length * k), b = random_matrix(k * width), bias = random_matrix(transposed ? length : width), added = random_matrix(length * width);
    Matrix c(length * width + 1, 0xFFFF);
    emulated::Global<float> c_single(length * width + 1, 3.0f);
    const int boxes = tiles(width, 64);
    WgmmaThinProductArguments p{};
    p.long_operand = TERA_LONG_CONTIGUOUS ? map_of(a, length, k, 64, 64) : map_of(a, k, length, 64, kRows);
    p.thin_operand = TERA_THIN_CONTIGUOUS ? map_of(b, width, k, 64, 64) : map_of(b, k, width, 64, width);
    p.c = single ? static_cast<void*>(c_single.data()) : c.data();
    p.bias = add ? nullptr : bias.data();
    p.m = transposed ? width : length, p.n = transposed ? length : width;
    p.alpha = -0.5f, p.single = single;
    p.add = !add ? nullptr : single ? static_cast<void*>(c_single.data()) : added.data();
    p.k = k, p.part_length = tiles(tiles(k, TERA_PARTS), kDepth) * kDepth, p.transposed = transposed;
    p.thin_boxes = boxes, p.thin_bytes = TERA_THIN_CONTIGUOUS ? boxes * kBoxBytes : width * 128;
    emulated::launch(tiles(length, kRows), TERA_PARTS, kThreads, [&] { wgmma_thin_product(p); }, TERA_PARTS, true);
    for (int row = 0; row < length; ++row) {
        for (int column = 0; column < width; ++column) {
            const int at = transposed ? column * length + row : row * width + column;
            float sum = 0;
            for (int i = 0; i < k; ++i) {
                sum += E::decode(a[TERA_LONG_CONTIGUOUS ? i * length + row : row * k + i]) * E::decode(b[TERA_THIN_CONTIGUOUS ? i * width + column : column * k + i]);
            }
            const float value = -0.5f * sum + (!add ? E::decode(bias[transposed ? row : column]) : single ? 3.0f : E::decode(added[at]));
            const float found = single ? c_single[at] : E::decode(c[at]), wanted = single ? value : E::decode(E::encode(value));
            check(found == wanted, "D[%d, %d] of %dx%dx%d is %g, not %g", row, column, length, width, k, found, wanted);
        }
    }
    check(c.back() == 0xFFFF && c_single.back() == 3.0f, "nothing behind the output is written");
}

void run()
{
    thin_product(kRows, kThin, 128, false, false, false);
    thin_product(kRows + 72, kThin - 56, 200, false, true, true);
    thin_product(2 * kRows + 8, kThin - 40, 136, true, true, true);
    thin_product(kRows + 8, kThin - 24, 1000, true, false, false);
    thin_product(kRows + 8, 8, 712, false, true, false);
    thin_product(kRows + 8, 24, 1608, true, false, true);
    if (!TERA_THIN_CONTIGUOUS) {
        thin_product(kRows + 8, kThin - 59, 72, false, false, true);
        thin_product(kRows + 8, 5, 72, true, false, false);
    }
    if (!TERA_LONG_CONTIGUOUS) {
        thin_product(kRows + 3, 16, 136, false, true, true);
        thin_product(kRows - 3, 16, 136, true, true, true);
    }
}
#else
/// Partial sums of small integers: each is exact in float32.
void check_sum(const char* of, int index, double wanted, const float* partial, int layers, int pitch)
{
    double found = 0;
    for (int layer = 0; layer < layers; ++layer) {
        found += partial[layer * pitch];
    }
    check(found == wanted, "the sum of %s %d is %g, not %g", of, index, found, wanted);
}

/// Kronecker factors of signs and inputs of small integers: every sum before the last rounding is exact.
void modes(int tokens, int blocks, bool wide)
{
    const int in = kFirstIn * kRestIn, out = kFirstOut * kRestOut, threads = kThreads;
    const int group = 2, groups = tiles(tiles(tokens, kTileTokens), group);
    Matrix input = random_matrix(tokens * in), added = random_matrix(tokens * out), output(tokens * out + 1, 0xFFFF);
    const int row_layers = kRowTiles * (TERA_SPLIT_COLUMNS ? 4 : 8), column_layers = groups * (TERA_SPLIT_COLUMNS ? 2 : 1);
    emulated::Global<float> row_scale(tokens), column_scale(out), row_partial(row_layers * tokens + 1, NAN), column_partial(column_layers * out + 1, NAN);
    for (auto* scale : {&row_scale, &column_scale}) {
        for (auto& value : *scale) {
            value = static_cast<float>(random_integer(2));
        }
    }
    std::vector<emulated::Global<float>> scales;
    ModesArguments p{};
    // The address itself decides whether words may be stored: a row that is not aligned must be served element by element.
    p.wide = wide;
    p.input = {input.data(), {kRestIn, kFirstIn, tokens}, {64, kInPadded, kPassTokens}};
    if (TERA_TRANSPOSED_OUT) {
        const auto transposed = [&](Matrix& matrix) {
            return ptx::TensorMap{matrix.data(), {tokens, kFirstOut, kRestOut}, {kUnitTokens, 8, 8}, {static_cast<long long>(kRestOut) * tokens, tokens}};
        };
        p.output = transposed(output), p.added = transposed(added);
    } else {
        p.output = {output.data(), {kRestOut, kFirstOut, tokens}, {64, kOut, kStoreTokens}};
    }
    p.factors = {99, 0, static_cast<u32>(kRademacher), 0, 1.0f};
    for (int m = 0; m < kModes; ++m) {
        scales.emplace_back(kModeIn[m]);
        for (auto& value : scales[m]) {
            value = random_integer(3) < 0 ? -1.0f : 1.0f;
        }
    }
    for (int m = 0; m < kModes; ++m) {
        p.modes[m] = {static_cast<unsigned>(m + 1), m % 2, scales[m].data()};
    }
    p.transposed = output.data(), p.add = added.data(), p.ld = tokens;
    p.tokens = tokens, p.token_tiles = tiles(tokens, kTileTokens);
    p.rest_scale = 0.25f, p.alpha = 2.0f;
    if (TERA_MARGINALS) {
        p.added = {added.data(), {kRestOut, kFirstOut, tokens}, {64, kOut, kStoreTokens}};
        p.group = group;
        p.row_scale = row_scale.data(), p.column_scale = column_scale.data();
        p.row_partial = row_partial.data(), p.column_partial = column_partial.data();
        blocks = groups * kRowTiles;
    }

    // The factors mode by mode: matrix[m][o·in + i].
    std::vector<std::vector<double>> matrix(kModes);
    for (int m = 0; m < kModes; ++m) {
        RandomSource source = p.factors;
        source.stream = p.modes[m].stream;
        for (int o = 0; o < kModeOut[m]; ++o) {
            for (int i = 0; i < kModeIn[m]; ++i) {
                matrix[m].push_back(random_element(source, p.modes[m].contract ? i * kModeOut[m] + o : o * kModeIn[m] + i) * scales[m][i]);
            }
        }
    }
    Matrix first(kFirstOut * kFirstIn), rest(kRestOut * kRestIn);
    for (int i = 0; i < kFirstOut * kFirstIn; ++i) {
        first[i] = E::encode(static_cast<float>(matrix[0][i]));
    }
    for (int e = 0; e < kRestOut * kRestIn; ++e) {
        double value = p.rest_scale;
        for (int m = kModes - 1, o = e / kRestIn, i = e % kRestIn; m > 0; --m) {
            value *= matrix[m][o % kModeOut[m] * kModeIn[m] + i % kModeIn[m]];
            o /= kModeOut[m], i /= kModeIn[m];
        }
        rest[e] = E::encode(static_cast<float>(value));
    }
    p.first = first.data(), p.rest = {rest.data(), {kRestIn, kRestOut, 1}, {64, kFactorRows, 1}};
    emulated::launch(blocks, 1, threads, [&] { wgmma_modes(p); }, 1, true);

    std::vector<double> column_sums(out);
    for (int t = 0; t < tokens; ++t) {
        std::vector<double> values(in);
        for (int i = 0; i < in; ++i) {
            values[i] = E::decode(input[t * in + i]);
        }
        for (int m = 0, before = 1, after = in; m < kModes; ++m) {
            after /= kModeIn[m];
            std::vector<double> next(before * kModeOut[m] * after);
            for (int b = 0; b < before; ++b) {
                for (int o = 0; o < kModeOut[m]; ++o) {
                    for (int i = 0; i < kModeIn[m]; ++i) {
                        for (int x = 0; x < after; ++x) {
                            next[(b * kModeOut[m] + o) * after + x] += matrix[m][o * kModeIn[m] + i] * values[(b * kModeIn[m] + i) * after + x];
                        }
                    }
                }
            }
            values = next;
            before *= kModeOut[m];
        }
        double row_sum = 0;
        for (int o = 0; o < out; ++o) {
            const double x = 0.25 * values[o] * E::decode(added[t * out + o]);
            row_sum += x * column_scale[o];
            column_sums[o] += x * row_scale[t];
        }
        if (TERA_MARGINALS) {
            check_sum("row", t, row_sum, row_partial.data() + t, row_layers, tokens);
        }
        for (int o = 0; o < out && !TERA_MARGINALS; ++o) {
            const int place = TERA_TRANSPOSED_OUT ? o * tokens + t : t * out + o;
            const float wanted = E::decode(E::encode(static_cast<float>(0.5 * values[o] + (TERA_ADD ? E::decode(added[place]) : 0.0))));
            const float found = E::decode(output[place]);
            check(found == wanted, "output (%d, %d) of %d rows is %g, not %g", t, o, tokens, found, wanted);
        }
    }
    for (int o = 0; o < out && TERA_MARGINALS; ++o) {
        check_sum("column", o, column_sums[o], column_partial.data() + o, column_layers, out);
    }
    check(output.back() == 0xFFFF && std::isnan(row_partial.back()) && std::isnan(column_partial.back()), "nothing behind the output is written");
}

void run()
{
    // Blocks that write transposed rows keep to one tile of F's rows.
    const int unit = TERA_TRANSPOSED_OUT ? kRowTiles : 1;
    modes(64, unit, true);
    modes(72, 2 * unit, true);
    if (TERA_TRANSPOSED_OUT) {
        modes(136, unit, true);
        modes(72, 3 * unit, false);
    } else {
        modes(67, 3, true);
    }
}
#endif

} // namespace

int main(int count, char** arguments) { return emulated::run_test(count, arguments, 3, 100, run); }
