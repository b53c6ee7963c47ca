// kernels/gemm/split.cuh: the three parts are bfloat16 numbers whose sum is the float32 itself, and the six products that the kernels
// take miss the true product by less than 2^-24 of it.
#include "check.h"
#include "gemm/split.cuh"

#include <cmath>

using namespace tera;
using namespace tera::gemm;

namespace {

struct Parts {
    double high, middle, low;
};

double half_of(u32 pair, bool second)
{
    return bits_float(second ? pair & 0xFFFF0000u : pair << 16);
}

Parts parts_of(const SplitPair& split, bool second)
{
    return {half_of(split.part[0], second), half_of(split.part[1], second), half_of(split.part[2], second)};
}

/// A float32 of random bits with an exponent in [-60, 60], so that no part is subnormal and double arithmetic below is exact.
float random_float(u64& state)
{
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    const u32 bits = static_cast<u32>(state >> 32);
    return bits_float((bits & 0x807FFFFFu) | ((67u + (bits >> 23) % 121u) << 23));
}

void check_pair(float x, float y, double& largest)
{
    const SplitPair split = SplitPair::of(x, y);
    const Parts a = parts_of(split, false), b = parts_of(split, true);
    check(a.high + a.middle + a.low == x, "parts of the first, %a", x);
    check(b.high + b.middle + b.low == y, "parts of the second, %a", y);
    const double exact = static_cast<double>(x) * y;
    const double missing = a.middle * b.low + a.low * b.middle + a.low * b.low;
    largest = std::fmax(largest, std::fabs(missing / exact));
}

} // namespace

int main()
{
    u64 state = 1;
    double largest = 0;
    for (int i = 0; i < 1000000; ++i) {
        check_pair(random_float(state), random_float(state), largest);
    }
    // The bits on both sides of every tie.
    for (u32 bits : {0x3F800000u, 0x3F807FFFu, 0x3F808000u, 0x3F808080u, 0x3F80807Fu, 0x3F808081u, 0x3FFFFFFFu, 0x3FFF7F7Fu, 0xBFFF8080u}) {
        check_pair(bits_float(bits), bits_float(bits ^ 0x80000000u), largest);
    }
    std::printf("largest missing part of a product: %.3g of 2^-24\n", largest * 0x1p24);
    check(largest < 0x1p-24, "six products miss %g of a product", largest);
    const Parts zero = parts_of(SplitPair::of(-0.0f, 0.0f), false);
    check(zero.high == 0 && zero.middle == 0 && zero.low == 0, "zero has no parts");
    const SplitPair nan = SplitPair::of(NAN, INFINITY);
    for (bool second : {false, true}) {
        const Parts parts = parts_of(nan, second);
        check(std::isnan(parts.high + parts.middle + parts.low), "NaN and infinity do not become numbers");
    }
    return finish(2000000);
}
