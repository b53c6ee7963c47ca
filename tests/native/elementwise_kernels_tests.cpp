// Scaled copies and the gradients of their scales, compiled for the host over the instructions' emulation (emulated/), against plain loops: exact
// on integers, for every cut of columns and rows, orders of copies, strides and addresses off the alignment.
#include "check.h"
#include "emulated/cuda.h"

#include "elementwise/scaled_copies.cu"
#include "elementwise/scaled_copies_gradient.cu"

#include <cmath>

using namespace tera;

namespace {

using In = Element<TERA_INPUT>;
using Out = Element<TERA_OUTPUT>;

constexpr float kUnwritten = 77.0f;

struct Shape {
    i64 copies, rows, columns, margin;
    int shift; // of all addresses, in elements
};

u64 random_state = 1;

float random_integer() {
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<float>(static_cast<int>((random_state >> 33) % 5) - 2);
}

template <class E>
emulated::Global<typename E::Storage> numbers(i64 count) {
    emulated::Global<typename E::Storage> values(count);
    for (auto& value : values) {
        value = E::encode(random_integer());
    }
    return values;
}

/// A copy of `what` with room for `shift` elements before it and eight behind it, all of which stay as they are.
template <class E>
struct Shifted {
    emulated::Global<typename E::Storage> storage;
    i64 shift, count;

    Shifted(const emulated::Global<typename E::Storage>& what, int shift) : storage(what.size() + shift + 8, E::encode(kUnwritten)), shift(shift), count(what.size()) {
        std::copy(what.begin(), what.end(), storage.begin() + shift);
    }

    auto* data() { return storage.data() + shift; }

    bool intact() const {
        for (i64 i = 0; i < static_cast<i64>(storage.size()); ++i) {
            if ((i < shift || i >= shift + count) && E::decode(storage[i]) != kUnwritten) {
                return false;
            }
        }
        return true;
    }
};

using F = Element<kFloat32>;

void copies(const Shape& shape, u32 width, u32 depth, i64 part_rows, bool row_by_row, bool scale_rows, bool scale_columns) {
    const i64 stride = shape.columns + shape.margin, count = shape.copies * shape.rows * shape.columns;
    Shifted<In> input(numbers<In>(shape.rows * stride), shape.shift);
    Shifted<Out> output(emulated::Global<typename Out::Storage>(count), shape.shift);
    Shifted<F> lambda(numbers<F>(shape.rows * shape.copies), shape.shift), gamma(numbers<F>(shape.copies * shape.columns), shape.shift);
    const u32 tiles = static_cast<u32>((shape.columns + 8 * width - 1) / (8 * width)), parts = static_cast<u32>((shape.rows + part_rows - 1) / part_rows);
    const ScaledCopiesArguments p{input.data(), output.data(), scale_rows ? lambda.data() : nullptr, scale_columns ? gamma.data() : nullptr, shape.rows, shape.columns,
        stride, shape.copies, part_rows, tiles, parts, row_by_row, width, depth, depth == 3};
    emulated::launch(tiles * parts * static_cast<u32>(shape.copies), 1, width * depth, [&] { scaled_copies(p); }, 1, true);
    check(output.intact(), "nothing around the copies is written");
    for (i64 b = 0; b < shape.copies; ++b) {
        for (i64 row = 0; row < shape.rows; ++row) {
            for (i64 k = 0; k < shape.columns; ++k) {
                const i64 j = row_by_row ? row * shape.copies + b : b * shape.rows + row;
                const float value = In::decode(input.data()[row * stride + k]) * (scale_rows ? lambda.data()[row * shape.copies + b] : 1) * (scale_columns ? gamma.data()[b * shape.columns + k] : 1);
                const float found = Out::decode(output.data()[j * shape.columns + k]);
                check(found == value, "copy %lld of (%lld, %lld) is %g, not %g", b, row, k, found, value);
            }
        }
    }
}

void gradients(const Shape& shape, u32 width, u32 depth, i64 part_rows, bool row_by_row) {
    const i64 stride = shape.columns + shape.margin;
    Shifted<Out> gradient(numbers<Out>(shape.copies * shape.rows * shape.columns), shape.shift);
    Shifted<In> input(numbers<In>(shape.rows * stride), shape.shift);
    Shifted<F> lambda(numbers<F>(shape.rows * shape.copies), shape.shift), gamma(numbers<F>(shape.copies * shape.columns), shape.shift);
    Shifted<F> rows(numbers<F>(shape.rows * shape.copies), 0), columns(numbers<F>(shape.copies * shape.columns), 0);
    std::vector<float> expected_rows(rows.data(), rows.data() + rows.count), expected_columns(columns.data(), columns.data() + columns.count);
    const u32 tiles = static_cast<u32>((shape.columns + 4 * width - 1) / (4 * width)), parts = static_cast<u32>((shape.rows + part_rows - 1) / part_rows);
    emulated::Global<float> row_partial(tiles > 1 ? tiles * rows.count : 0, NAN), column_partial(parts > 1 ? parts * columns.count : 0, NAN);
    const u32 column_blocks = parts == 1 ? 0 : static_cast<u32>((columns.count + 31) / 32), row_blocks = tiles == 1 ? 0 : static_cast<u32>((rows.count + kPartThreads - 1) / kPartThreads);
    const ScaledCopiesGradientArguments p{gradient.data(), input.data(), lambda.data(), gamma.data(), rows.data(), columns.data(), row_partial.data(), column_partial.data(),
        shape.rows, shape.columns, stride, shape.copies, part_rows, tiles, parts, row_by_row, width, depth, column_blocks};
    emulated::launch(tiles * parts * static_cast<u32>(shape.copies), 1, width * depth, [&] { scaled_copies_gradient(p); }, 1, true);
    if (column_blocks + row_blocks > 0) {
        emulated::launch(column_blocks + row_blocks, 1, kPartThreads, [&] { scaled_copies_gradient_parts(p); }, 1, true);
    }
    check(rows.intact() && columns.intact(), "nothing around the gradients is written");
    for (i64 b = 0; b < shape.copies; ++b) {
        for (i64 row = 0; row < shape.rows; ++row) {
            for (i64 k = 0; k < shape.columns; ++k) {
                const i64 j = row_by_row ? row * shape.copies + b : b * shape.rows + row;
                const float product = Out::decode(gradient.data()[j * shape.columns + k]) * In::decode(input.data()[row * stride + k]);
                expected_rows[row * shape.copies + b] += product * gamma.data()[b * shape.columns + k];
                expected_columns[b * shape.columns + k] += product * lambda.data()[row * shape.copies + b];
            }
        }
    }
    for (i64 i = 0; i < rows.count; ++i) {
        check(rows.data()[i] == expected_rows[i], "row gradient %lld is %g, not %g", i, rows.data()[i], expected_rows[i]);
    }
    for (i64 i = 0; i < columns.count; ++i) {
        check(columns.data()[i] == expected_columns[i], "column gradient %lld is %g, not %g", i, columns.data()[i], expected_columns[i]);
    }
}

void run() {
    const Shape shapes[] = {{1, 1, 1, 0, 0}, {3, 5, 7, 2, 0}, {2, 37, 128, 0, 0}, {2, 20, 264, 8, 0}, {1, 70, 300, 4, 1}, {5, 9, 256, 0, 2}, {1, 45, 520, 0, 4}};
    int number = 0;
    for (const Shape& shape : shapes) {
        for (u32 width : {32u, 64u}) {
            for (u32 depth : {1u, 3u}) {
                for (i64 part_rows : {4, 25, 100}) {
                    ++number;
                    copies(shape, width, depth, part_rows, number % 2, number % 3, number % 5);
                    gradients(shape, width, depth, part_rows, number % 2);
                }
            }
        }
    }
}

} // namespace

int main(int count, char** arguments) { return emulated::run_test(count, arguments, 2, 1000, run); }
