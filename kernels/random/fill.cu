// output[i] = scale · element i of a factor, i = 0 … count − 1: random factors of format 1, written out.
//
// The float32 element times the float32 scale is rounded once, then once more to the output's type where that is narrower.
// Mapping: a thread makes the elements of one 16-byte store (4 of float32, 8 of the 16-bit types), then goes on one grid further; an
// element depends on its index alone, so neither grid nor block shows in the result. Addresses off 16 bytes and the last elements are
// stored one by one.
//
// Macros: TERA_DTYPE (0 float32, 1 bfloat16, 2 float16), TERA_DISTRIBUTION (0 normal, 1 uniform, 2 Rademacher, 3 ternary).
#include "common/dtype.cuh"
#include "random/distributions.cuh"

namespace tera {

struct FillRandomArguments {
    Element<TERA_DTYPE>::Storage* output;
    u64 count;
    RandomSource source;
    float scale;
};

constexpr int kVector = 16 / kSizeOf<TERA_DTYPE>;

/// One store of 16 bytes.
template <int DType>
__device__ __forceinline__ void store_vector(typename Element<DType>::Storage* output, const float (&x)[kVector])
{
    uint4 vector;
    if constexpr (DType == kFloat32) {
        vector = make_uint4(float_bits(x[0]), float_bits(x[1]), float_bits(x[2]), float_bits(x[3]));
    } else {
        vector.x = Element<DType>::encode2(x[0], x[1]);
        vector.y = Element<DType>::encode2(x[2], x[3]);
        vector.z = Element<DType>::encode2(x[4], x[5]);
        vector.w = Element<DType>::encode2(x[6], x[7]);
    }
    *reinterpret_cast<uint4*>(output) = vector;
}

/// The first elements of a vector, one by one.
__device__ __forceinline__ void store_some(Element<TERA_DTYPE>::Storage* output, const float (&x)[kVector], u64 count)
{
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
        if (i < count) {
            output[i] = Element<TERA_DTYPE>::encode(x[i]);
        }
    }
}

}  // namespace tera

extern "C" __global__ void fill_random(const __grid_constant__ tera::FillRandomArguments p)
{
    using namespace tera;
    const bool aligned = reinterpret_cast<u64>(p.output) % 16 == 0;
    const u64 stride = static_cast<u64>(gridDim.x) * blockDim.x * kVector;
    for (u64 i = (static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x) * kVector; i < p.count; i += stride) {
        float x[kVector];
        Factor<TERA_DISTRIBUTION>::consecutive(p.source, i, x);
#pragma unroll
        for (int j = 0; j < kVector; ++j) {
            x[j] = mul_rn(x[j], p.scale);
        }
        if (aligned && p.count - i >= kVector) {
            store_vector<TERA_DTYPE>(p.output + i, x);
        } else {
            store_some(p.output + i, x, p.count - i);
        }
    }
}
