// The product kernels themselves, compiled for the host over the instructions' emulation (emulated/): every layout, edge, alignment,
// split and option against plain loops. Built once for each configuration (macros of kernels/gemm/config.cuh and TERA_KERNEL).
#include "check.h"
#include "emulated/cuda.h"

#if TERA_KERNEL == 0
#include "gemm/matrix_product.cu"
#elif TERA_KERNEL == 1
#include "gemm/core_product.cu"
#else
#include "gemm/core_projection.cu"
#include "gemm/core_projection_sum.cu"
#endif
#if TERA_KERNEL < 2
#include "gemm/split_sum.cu"
#endif

#include <cmath>

using namespace tera;
using namespace tera::gemm;
using E = Element<Config::kDType>;
using Storage = E::Storage;

namespace {

u64 random_state = 1;

int random_integer(int limit)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<int>((random_state >> 33) % (2 * limit + 1)) - limit;
}

/// A matrix between guards, off the alignment of 16 by `shift` elements.
template <class T>
struct Guarded {
    static constexpr int kGuard = 64;
    emulated::Global<T> storage;
    std::size_t first, count;

    Guarded(std::size_t size, int shift) : storage(size + 2 * kGuard + 16), first(0), count(size)
    {
        std::memset(storage.data(), 0xFF, storage.size() * sizeof(T));
        while (reinterpret_cast<std::uintptr_t>(storage.data() + first + kGuard) % 16 != 0) {
            ++first;
        }
        first += kGuard + shift;
    }

    T* data() { return storage.data() + first; }

    bool intact() const
    {
        const auto* bytes = reinterpret_cast<const unsigned char*>(storage.data());
        for (std::size_t i = 0; i < storage.size() * sizeof(T); ++i) {
            if ((i < first * sizeof(T) || i >= (first + count) * sizeof(T)) && bytes[i] != 0xFF) {
                return false;
            }
        }
        return true;
    }
};

Guarded<Storage> random_matrix(i64 count, int shift)
{
    Guarded<Storage> matrix(count, shift);
    for (i64 i = 0; i < count; ++i) {
        matrix.data()[i] = E::encode(static_cast<float>(random_integer(2)));
    }
    return matrix;
}

u32 tiles(i64 length, int tile) { return static_cast<u32>((length + tile - 1) / tile); }

struct Options {
    bool single, accumulate, bias, apart; // apart: what is added is not C
    int parts, shift;
};

/// All options in turn as the number grows.
Options options_of(int number)
{
    return {number % 3 == 0, number % 2 == 0, number % 4 < 2, number % 6 < 3, number % 5 == 0 ? 3 : 1, number % 7 == 0 ? 1 : number % 7 == 1 ? 2 : 0};
}

#if TERA_KERNEL == 0
/// Launches a product with these options and holds C against expected(row, column), the exact sums before alpha.
template <class Launch, class Expected>
void check_output(i64 m, i64 n, i64 k, const Options& options, const Launch& launch, const Expected& expected)
{
    const bool single = options.single || Config::kSingle;
    Guarded<Storage> bias = random_matrix(n, options.shift), narrow(m * n, options.shift);
    Guarded<Storage> narrow_addend(m * n, options.shift);
    Guarded<float> wide_addend(m * n, options.shift), wide(m * n, options.shift), partial(options.parts > 1 ? options.parts * m * n : 0, 0);
    std::vector<double> before(m * n, 0.0);
    for (i64 i = 0; i < m * n && options.accumulate; ++i) {
        before[i] = random_integer(4);
        auto& to_wide = options.apart ? wide_addend : wide;
        auto& to_narrow = options.apart ? narrow_addend : narrow;
        single ? to_wide.data()[i] = static_cast<float>(before[i]) : to_narrow.data()[i] = E::encode(static_cast<float>(before[i]));
    }
    Output output{};
    output.c = single ? static_cast<void*>(wide.data()) : narrow.data();
    output.bias = options.bias ? bias.data() : nullptr;
    output.partial = options.parts > 1 ? partial.data() : nullptr;
    output.m = m, output.n = n;
    output.alpha = -0.5f;
    output.add = !options.accumulate ? nullptr : !options.apart ? output.c : single ? static_cast<void*>(wide_addend.data()) : narrow_addend.data();
    output.single = single;
    const i64 stages = (k + Config::kTileK - 1) / Config::kTileK;
    const i64 length = max<i64>((stages + options.parts - 1) / options.parts, 1) * Config::kTileK;
    output.parts = options.parts > 1 ? static_cast<i32>(max<i64>((k + length - 1) / length, 1)) : 1;
    launch(output, length);
    if (output.partial != nullptr) {
        emulated::launch(static_cast<u32>((m * ((n + 3) / 4) + 255) / 256), 1, 256, [&] { split_sum(output); }, 1, true);
    }
    check(narrow.intact() && wide.intact() && partial.intact(), "nothing outside C and the workspace is written (%lldx%lldx%lld)", m, n, k);
    for (i64 i = 0; i < m * n; ++i) {
        const double value = -0.5 * expected(i / n, i % n) + before[i] + (options.bias ? E::decode(bias.data()[i % n]) : 0.0);
        const float wanted = single ? static_cast<float>(value) : static_cast<float>(E::decode(E::encode(static_cast<float>(value))));
        const float found = single ? wide.data()[i] : static_cast<float>(E::decode(narrow.data()[i]));
        check(found == wanted, "C[%lld, %lld] of %lldx%lldx%lld is %g, not %g (parts %d, shift %d)", i / n, i % n, m, n, k, found, wanted, options.parts, options.shift);
    }
}

/// With TERA_BLOCKS, blocks of n / blocks columns of C get a second product of depth block_k.
void product(i64 m, i64 n, i64 k, const Options& options, i64 blocks = 1, i64 block_k = 5)
{
    const i64 width = n / blocks;
    Guarded<Storage> block_a = random_matrix(m * blocks * block_k, options.shift), block_b = random_matrix(block_k * width, options.shift);
    const auto block_right = [&](i64 i, i64 column) { return E::decode(block_b.data()[TERA_BLOCKS == 2 ? column * block_k + i : i * width + column]); };
    Guarded<Storage> a = random_matrix(m * k, options.shift), b = random_matrix(k * n, options.shift);
    const auto left = [&](i64 row, i64 i) { return E::decode(a.data()[Config::kAlongKA ? row * k + i : i * m + row]); };
    const auto right = [&](i64 i, i64 column) { return E::decode(b.data()[Config::kAlongKB ? column * k + i : i * n + column]); };
    check_output(
        m, n, k, options,
        [&](const Output& output, i64 length) {
            const u32 tiles_n = TERA_BLOCKS == 0 ? tiles(n, Config::kTileN) : static_cast<u32>(blocks) * tiles(width, Config::kTileN);
            const MatrixProductArguments p{a.data(), b.data(), block_a.data(), block_b.data(), k, length, block_k, width, tiles(m, Config::kTileM), tiles_n, output};
            emulated::launch(p.tiles_m * p.tiles_n, output.parts, Config::kThreads, [&] { matrix_product(p); });
        },
        [&](i64 row, i64 column) {
            double sum = 0;
            for (i64 i = 0; i < k; ++i) {
                sum += left(row, i) * right(i, column);
            }
            for (i64 i = 0; i < block_k && TERA_BLOCKS != 0; ++i) {
                sum += E::decode(block_a.data()[(row * blocks + column / width) * block_k + i]) * block_right(i, column % width);
            }
            return sum;
        });
}

void run()
{
    int number = 0;
    for (i64 m : {1, 7, 65, 136}) {
        for (i64 n : {1, 8, 63, 132}) {
            for (i64 k : {0, 1, 16, 33, 200}) {
                product(m, n, k, options_of(number++));
            }
        }
    }
    product(520, 20, 40, options_of(1));
    if (TERA_BLOCKS != 0) {
        product(66, 12, 33, options_of(0), 12, 1);
        product(7, 140, 40, options_of(number++), 2, 64);
        product(65, 264, 16, options_of(number++), 4, 33);
        product(65, 256, 16, options_of(10), 2, 0);
        product(9, 150, 100, options_of(5), 3, 48);
    }
}
#endif

#if TERA_KERNEL > 0
Core random_core(int distribution, i64 rows, i64 columns)
{
    return {{12345, 7, static_cast<u32>(distribution), 10923, 1.7320508f}, rows, columns};
}

double element(const Core& core, i64 r, i64 s) { return random_element(core.source, static_cast<u64>(r * core.columns + s)); }
#endif

#if TERA_KERNEL == 1
void product(i64 tokens, i64 r, i64 s, int distribution, bool scaled, const Options& options)
{
    const Core core = random_core(distribution, r, s);
    const i64 k = Config::kAlongKB ? s : r, n = Config::kAlongKB ? r : s;
    Guarded<Storage> a = random_matrix(tokens * k, options.shift);
    Guarded<float> scale(k, 0);
    for (i64 i = 0; i < k; ++i) {
        scale.data()[i] = 1.0f + 0.25f * static_cast<float>(random_integer(3));
    }
    const auto right = [&](i64 i, i64 column) {
        const float value = static_cast<float>(Config::kAlongKB ? element(core, column, i) : element(core, i, column));
        return static_cast<double>(E::decode(E::encode(scaled ? value * scale.data()[i] : value)));
    };
    Guarded<Storage> narrow(tokens * n, options.shift);
    Guarded<float> partial(4 * tokens * n, 0);
    Output output{};
    output.c = narrow.data();
    output.m = tokens, output.n = n, output.alpha = 0.5f;
    const i64 stages = (k + Config::kTileK - 1) / Config::kTileK;
    const i64 length = max<i64>((stages + options.parts - 1) / options.parts, 1) * Config::kTileK;
    output.single = Config::kSingle;
    output.parts = static_cast<i32>(max<i64>((k + length - 1) / length, 1));
    output.partial = output.parts > 1 ? partial.data() : nullptr;
    const CoreProductArguments p{a.data(), scaled ? scale.data() : nullptr, core, k, length, tiles(tokens, Config::kTileM), tiles(n, Config::kTileN), output};
    emulated::launch(p.tiles_m * p.tiles_n, output.parts, Config::kThreads, [&] { core_product(p); });
    if (output.partial != nullptr) {
        emulated::launch(static_cast<u32>((tokens * ((n + 3) / 4) + 255) / 256), 1, 256, [&] { split_sum(output); }, 1, true);
    }
    check(narrow.intact() && partial.intact(), "nothing outside C is written");
    for (i64 row = 0; row < tokens; ++row) {
        for (i64 column = 0; column < n; ++column) {
            double sum = 0, size = 0;
            for (i64 i = 0; i < k; ++i) {
                const double term = 0.5 * E::decode(a.data()[row * k + i]) * right(i, column);
                sum += term;
                size += std::fabs(term);
            }
            const double found = E::decode(narrow.data()[row * n + column]);
            const double unit = Config::kSingle ? 0 : Config::kDType == kBFloat16 ? 0x1p-8 : 0x1p-11;
            check(std::fabs(found - sum) <= 8 * 0x1p-24 * size + 1.001 * unit * std::fabs(sum) + (Config::kDType == kFloat16 ? 3e-8 : 0),
                "C[%lld, %lld] of B %lld, R %lld, S %lld, distribution %d is %g, not %g", row, column, tokens, r, s, distribution, found, sum);
        }
    }
}

void run()
{
    int number = 0;
    constexpr i64 kTokens[] = {1, 66, 130};
    for (int distribution = 0; distribution < 4; ++distribution) {
        for (i64 r : {1, 33, 72}) {
            for (i64 s : {3, 40, 64, 100}) {
                product(kTokens[number % 3], r, s, distribution, number % 2 == 0, options_of(number));
                ++number;
            }
        }
    }
}
#endif

#if TERA_KERNEL == 2
void projection(i64 tokens, i64 r, i64 s, int distribution, int parts)
{
    const Core core = random_core(distribution, r, s);
    Guarded<Storage> q = random_matrix(tokens * r, parts % 2), right = random_matrix(tokens * s, 0);
    Guarded<float> d(r, 0), e(s, 0), row_gradient(r, 0), column_gradient(s, 0);
    for (i64 i = 0; i < r; ++i) {
        d.data()[i] = static_cast<float>(random_integer(2));
    }
    for (i64 i = 0; i < s; ++i) {
        e.data()[i] = static_cast<float>(random_integer(2));
    }
    const i64 stages = (tokens + Config::kTileK - 1) / Config::kTileK;
    const i64 length = max<i64>((stages + parts - 1) / parts, 1) * Config::kTileK;
    const u32 count = static_cast<u32>(max<i64>((tokens + length - 1) / length, 1));
    const u32 tiles_m = tiles(r, Config::kTileM), tiles_n = tiles(s, Config::kTileN);
    Guarded<float> row_partial(count * tiles_n * r, 0), column_partial(count * tiles_m * s, 0);
    const CoreProjectionArguments p{q.data(), right.data(), d.data(), e.data(), row_partial.data(), column_partial.data(), core, tokens, length, tiles_m, tiles_n};
    emulated::launch(tiles_m * tiles_n, count, Config::kThreads, [&] { core_projection(p); });
    const CoreProjectionSumArguments sums{row_partial.data(), column_partial.data(), row_gradient.data(), column_gradient.data(), r, s,
        static_cast<i32>(count * tiles_n), static_cast<i32>(count * tiles_m), 0.5f, tiles(r, kSumElements)};
    emulated::launch(tiles(r, kSumElements) + tiles(s, kSumElements), 1, 32 * kSumWarps, [&] { core_projection_sum(sums); }, 1, true);
    check(row_partial.intact() && column_partial.intact() && row_gradient.intact() && column_gradient.intact(), "nothing else is written");

    std::vector<double> rows(r), rows_size(r), columns(s), columns_size(s);
    for (i64 i = 0; i < r; ++i) {
        for (i64 j = 0; j < s; ++j) {
            double h = 0, size = 0;
            for (i64 b = 0; b < tokens; ++b) {
                const double term = E::decode(q.data()[b * r + i]) * static_cast<double>(E::decode(right.data()[b * s + j]));
                h += term;
                size += std::fabs(term);
            }
            const double g = 0.5 * element(core, i, j);
            rows[i] += h * g * e.data()[j], rows_size[i] += size * std::fabs(g * e.data()[j]);
            columns[j] += h * g * d.data()[i], columns_size[j] += size * std::fabs(g * d.data()[i]);
        }
    }
    for (i64 i = 0; i < r; ++i) {
        check(std::fabs(row_gradient.data()[i] - rows[i]) <= 16 * 0x1p-24 * rows_size[i], "row gradient %lld is %g, not %g", i, row_gradient.data()[i], rows[i]);
    }
    for (i64 j = 0; j < s; ++j) {
        check(std::fabs(column_gradient.data()[j] - columns[j]) <= 16 * 0x1p-24 * columns_size[j], "column gradient %lld is %g, not %g", j, column_gradient.data()[j], columns[j]);
    }
}

void run()
{
    int number = 0;
    constexpr i64 kTokens[] = {0, 1, 50, 170, 33};
    for (int distribution = 0; distribution < 4; ++distribution) {
        for (i64 r : {1, 63, 136}) {
            for (i64 s : {5, 64, 140}) {
                projection(kTokens[number % 5], r, s, distribution, 1 + number % 3);
                ++number;
            }
        }
    }
}
#endif

} // namespace

int main(int count, char** arguments) { return emulated::run_test(count, arguments, 2, 1000, run); }
