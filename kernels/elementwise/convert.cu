// output[i] = input[i] in another element type, rounded to nearest even.
//
// TERA_INPUT, TERA_OUTPUT: 0 float32, 1 bfloat16, 2 float16.
#include "common/quads.cuh"
#include "ptx/griddepcontrol.cuh"

namespace tera {

struct ConvertArguments {
    const void* input;
    void* output;
    i64 count;
};

}  // namespace tera

extern "C" __global__ void __launch_bounds__(256) convert_elements(const __grid_constant__ tera::ConvertArguments p) {
    using namespace tera;
    ptx::griddepcontrol_wait();
    ptx::griddepcontrol_launch_dependents();
    const bool aligned = quad_aligned<TERA_INPUT>(p.input) && quad_aligned<TERA_OUTPUT>(p.output);
    for (i64 i = first_quad(); i < p.count; i += quad_stride()) {
        float v[4];
        read_quad<TERA_INPUT>(p.input, i, p.count - i, aligned, v);
        write_quad<TERA_OUTPUT>(p.output, i, p.count - i, aligned, v);
    }
}
