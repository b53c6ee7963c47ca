// How near the approximate normals (rounded_normals.cuh) come to their bounds on this device: for all 2³² words the radius, then the direction.
//
//   normal_bounds   greatest[0] = max |r̃ − r| / (L/√w̃ + R·r̃), greatest[1] = max |c̃ − c| / D of cosine and sine; zeroed before. Up to one the bounds hold.
//
// A NaN is greater than any number.
#include "random/rounded_normals.cuh"

namespace tera {

struct NormalBoundsArguments {
    u32* greatest;  // two, as bits: those of floats that are not negative are in the floats' order
};

}  // namespace tera

extern "C" __global__ void normal_bounds(const __grid_constant__ tera::NormalBoundsArguments p)
{
    using namespace tera;
    u32 radius_worst = 0, direction_worst = 0;
    const u64 stride = static_cast<u64>(gridDim.x) * blockDim.x;
    for (u64 i = static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x; i >> 32 == 0; i += stride) {
        const u32 x = static_cast<u32>(i);
        float reciprocal, cosine, sine, exact_cosine, exact_sine;
        const float radius = approximate_radius(x, reciprocal);
        const float radius_bound = fma_rn(reciprocal, kLogarithmError, mul_rn(radius, kRadiusError));
        radius_worst = max(radius_worst, float_bits(fabsf(radius - normal_radius(x)) / radius_bound) & 0x7FFFFFFFu);
        approximate_direction(x, cosine, sine);
        normal_direction(x, exact_cosine, exact_sine);
        direction_worst = max(direction_worst, float_bits(fabsf(cosine - exact_cosine) / kDirectionError) & 0x7FFFFFFFu);
        direction_worst = max(direction_worst, float_bits(fabsf(sine - exact_sine) / kDirectionError) & 0x7FFFFFFFu);
    }
    atomicMax(p.greatest, radius_worst);
    atomicMax(p.greatest + 1, direction_worst);
}
