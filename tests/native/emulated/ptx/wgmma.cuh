// The emulation of kernels/ptx/wgmma.cuh: operands behind descriptors with the 128-byte swizzle, results at once. The threads of a warpgroup meet
// before and after, as the instruction is theirs together.
#pragma once

#include "check.h"
#include "convert.cuh"
#include "cuda.h"
#include "tma.cuh"

#include <map>

namespace tera::ptx {

inline void wgmma_fence() {}
inline void wgmma_commit_group() {}

template <int Pending>
void wgmma_wait_group() {}

inline std::map<unsigned, emulated::Barrier> warpgroups;

/// Bits of element (index along M or N, index along K) of an operand.
template <bool Transposed>
unsigned short operand_element(unsigned long long descriptor, unsigned index, unsigned k)
{
    const unsigned start = (descriptor & 0x3FFF) << 4, leading = (descriptor >> 16 & 0x3FFF) << 4, stride = (descriptor >> 32 & 0x3FFF) << 4;
    const unsigned at = Transposed ? start + index / 64 * leading + k / 8 * stride + k % 8 * 128 + index % 64 * 2
                                   : start + index / 8 * stride + index % 8 * 128 + k * 2;
    unsigned short value;
    std::memcpy(&value, shared + swizzled_address(at), 2);
    return value;
}

template <int TransposeA, int TransposeB, int Count, class Decode>
void multiply(float (&d)[Count], unsigned long long a, unsigned long long b, int scale_d, const Decode& decode)
{
    check((a >> 62) == 1 && (b >> 62) == 1, "descriptors say 128-byte swizzle");
    emulated::Barrier& meeting = warpgroups[emulated::own(threadIdx.x / 128)];
    meeting.size = 128;
    emulated::wait(meeting);
    const unsigned lane = threadIdx.x % 32, row = threadIdx.x % 128 / 32 * 16 + lane / 4;
    float left[2][16];
    for (unsigned k = 0; k < 16; ++k) {
        left[0][k] = decode(operand_element<TransposeA>(a, row, k));
        left[1][k] = decode(operand_element<TransposeA>(a, row + 8, k));
    }
    for (unsigned j = 0; j < Count / 4; ++j) {
        for (unsigned e = 0; e < 2; ++e) {
            float upper = scale_d ? d[4 * j + e] : 0, lower = scale_d ? d[4 * j + 2 + e] : 0;
            for (unsigned k = 0; k < 16; ++k) {
                const float right = decode(operand_element<TransposeB>(b, 8 * j + 2 * (lane % 4) + e, k));
                upper += left[0][k] * right;
                lower += left[1][k] * right;
            }
            d[4 * j + e] = upper;
            d[4 * j + 2 + e] = lower;
        }
    }
    emulated::wait(meeting);
}

template <int TransposeA, int TransposeB>
void wgmma_m64n256k16_bf16(float (&d)[128], unsigned long long a, unsigned long long b, int scale_d) { multiply<TransposeA, TransposeB>(d, a, b, scale_d, cvt_f32_bf16); }

template <int TransposeA, int TransposeB>
void wgmma_m64n256k16_f16(float (&d)[128], unsigned long long a, unsigned long long b, int scale_d) { multiply<TransposeA, TransposeB>(d, a, b, scale_d, cvt_f32_f16); }

template <int TransposeA, int TransposeB>
void wgmma_m64n192k16_bf16(float (&d)[96], unsigned long long a, unsigned long long b, int scale_d) { multiply<TransposeA, TransposeB>(d, a, b, scale_d, cvt_f32_bf16); }

template <int TransposeA, int TransposeB>
void wgmma_m64n192k16_f16(float (&d)[96], unsigned long long a, unsigned long long b, int scale_d) { multiply<TransposeA, TransposeB>(d, a, b, scale_d, cvt_f32_f16); }

template <int TransposeA, int TransposeB>
void wgmma_m64n128k16_bf16(float (&d)[64], unsigned long long a, unsigned long long b, int scale_d) { multiply<TransposeA, TransposeB>(d, a, b, scale_d, cvt_f32_bf16); }

template <int TransposeA, int TransposeB>
void wgmma_m64n128k16_f16(float (&d)[64], unsigned long long a, unsigned long long b, int scale_d) { multiply<TransposeA, TransposeB>(d, a, b, scale_d, cvt_f32_f16); }

template <int TransposeA, int TransposeB>
void wgmma_m64n64k16_bf16(float (&d)[32], unsigned long long a, unsigned long long b, int scale_d) { multiply<TransposeA, TransposeB>(d, a, b, scale_d, cvt_f32_bf16); }

template <int TransposeA, int TransposeB>
void wgmma_m64n64k16_f16(float (&d)[32], unsigned long long a, unsigned long long b, int scale_d) { multiply<TransposeA, TransposeB>(d, a, b, scale_d, cvt_f32_f16); }

} // namespace tera::ptx
