// The generator of 16-bit normals, compiled for the host over the instructions' emulation (emulated/), where approximate functions are as wrong as PTX allows:
// in tiles it must write the exact formula's bits, for counts that end anywhere in a tile, any grid, with and without a scale. So must the words at the formula's edges.
#include "check.h"
#include "emulated/cuda.h"

#include "random/fill.cu"

using namespace tera;

namespace {

using Out = Element<TERA_DTYPE>;

void compare(u32 found, u32 wanted, const char* what, u64 where)
{
    check(found == wanted, "%s %llu is 0x%04x, not 0x%04x", what, where, found, wanted);
    if (found != wanted && emulated::fault != emulated::Fault::none) {
        emulated::wrong("%s %llu is 0x%04x, not 0x%04x", what, where, found, wanted);
    }
}

void fill(const RandomSource& source, u64 count, float scale, u32 grid, bool early = false)
{
    constexpr int kMargin = 4; // 8 bytes
    constexpr u16 kUnwritten = 0xFFFF;
    emulated::Global<u16> storage(count + 2 * kMargin, kUnwritten);
    u16* const output = storage.data() + kMargin;
    const FillRandomArguments p{output, count, source, scale, early, 1};
    emulated::launch(grid, 1, kTileThreads, [&] { fill_random(p); }, 1, !early); // the emulation knows no kernel before that leaves the output alone
    for (u64 i = 0; i < count; ++i) {
        compare(output[i], Out::encode(mul_rn(Factor<kNormal>::element(source, i), scale)), "normal", i);
    }
    for (int i = 0; i < kMargin; ++i) {
        check(storage[i] == kUnwritten && output[count + i] == kUnwritten, "nothing around the normals is written");
    }
}

/// All pairs of the words where a branch of the formula ends, or the radius or a direction is zero, and of their neighbours.
void edges()
{
    const u32 middles[] = {0u, 1u << 24, 0x20000000u, 0x40000000u, 0x5A827999u, 0x60000000u, 0x80000000u, 0xA0000000u, 0xB504F333u, 0xC0000000u, 0xE0000000u, 0xFFFFFF00u};
    std::vector<u32> words;
    for (u32 middle : middles) {
        for (i32 off : {-129, -2, -1, 0, 1, 2, 127, 128}) {
            words.push_back(middle + off);
        }
    }
    int sure = 0;
    for (u32 a : words) {
        for (u32 b : words) {
            for (float scale : {1.0f, -0.37f, 1e-41f}) {
                u32 rounded;
                if (round_pair<TERA_DTYPE, true>(a, b, scale, rounded)) {
                    float cosine, sine;
                    const float radius = normal_radius(a);
                    normal_direction(b, cosine, sine);
                    compare(rounded, Out::encode2(mul_rn(mul_rn(radius, cosine), scale), mul_rn(mul_rn(radius, sine), scale)), "the pair of words", u64{a} << 32 | b);
                    ++sure;
                }
            }
        }
    }
    check(sure > 1000, "only %d pairs are sure", sure);
}

/// The bounds themselves, for words throughout.
void bounds()
{
    for (u64 i = 0; i < 1u << 18; ++i) {
        const u32 x = static_cast<u32>(i * 16411 + (i & 1 ? 0xFFF00000u : 0));
        float reciprocal, cosine, sine, exact_cosine, exact_sine;
        const float radius = approximate_radius(x, reciprocal);
        const double error = std::fabs(static_cast<double>(radius) - normal_radius(x));
        approximate_direction(x, cosine, sine);
        normal_direction(x, exact_cosine, exact_sine);
        const bool near = error <= static_cast<double>(reciprocal) * kLogarithmError + static_cast<double>(radius) * kRadiusError &&
            std::fabs(cosine - exact_cosine) <= kDirectionError && std::fabs(sine - exact_sine) <= kDirectionError;
        check(near, "the approximations of word 0x%08x are outside their bounds", x);
    }
}

void run()
{
    fill({0xFEEDFACE12345678ull, 5, kNormal, 0, 1.0f}, 3 * 8192 + 1234 * 4 + 3, 1.0f, 2);
    fill({4, 5, kNormal, 0, 1.0f}, 3 * 8192 + 7, 1.0f, 2, true);
    fill({1, 0, kNormal, 0, 1.0f}, 8192, 0.0123f, 3);
    fill({2, 1, kNormal, 0, 1.0f}, 4 * 255 + 1, -3e-39f, 1);
    fill({3, 2, kNormal, 0, 1.0f}, 2 * 8192 + 2, 37.5f, 1);
    if (emulated::fault == emulated::Fault::none) {  // otherwise the bits have to show it
        edges();
        bounds();
    }
}

} // namespace

int main(int count, char** arguments) { return emulated::run_test(count, arguments, 2, 100000, run); }
