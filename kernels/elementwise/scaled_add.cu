// output[i] = a[i] + alpha·b[i], in float32, rounded once; output may be a.
//
// TERA_DTYPE: of a and output. TERA_OTHER: of b. 0 float32, 1 bfloat16, 2 float16.
#include "common/quads.cuh"

namespace tera {

struct ScaledAddArguments {
    const void* a;
    const void* b;
    void* output;
    i64 count;
    float alpha;
};

}  // namespace tera

extern "C" __global__ void __launch_bounds__(256) scaled_add(const __grid_constant__ tera::ScaledAddArguments p) {
    using namespace tera;
    const bool aligned = quad_aligned<TERA_DTYPE>(p.a) && quad_aligned<TERA_OTHER>(p.b) && quad_aligned<TERA_DTYPE>(p.output);
    for (i64 i = first_quad(); i < p.count; i += quad_stride()) {
        float a[4], b[4];
        read_quad<TERA_DTYPE>(p.a, i, p.count - i, aligned, a);
        read_quad<TERA_OTHER>(p.b, i, p.count - i, aligned, b);
#pragma unroll
        for (int u = 0; u < 4; ++u) {
            a[u] = fmaf(p.alpha, b[u], a[u]);
        }
        write_quad<TERA_DTYPE>(p.output, i, p.count - i, aligned, a);
    }
}
