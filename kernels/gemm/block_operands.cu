// All that a product with blocks needs of a Kronecker update besides the tokens, in one launch: M, the core with the first mode applied
// (core_expansion.cuh); F, the other modes multiplied out (kronecker_matrix.cuh); and the diagonals, as M's scales and, where a later step
// reads them, in memory. None reads what another one writes: M multiplies the diagonals' vectors where it needs them. Any of the three may
// have no blocks. M's come first, since they take longest.
//
// Macros: TERA_DTYPE (0 float32, 1 bfloat16, 2 float16).
#include "gemm/core_expansion.cuh"
#include "random/kronecker_matrix.cuh"

namespace tera::gemm {

/// The same layout as the C# struct BlockOperandsLauncher.Arguments.
struct BlockOperandsArguments {
    CoreExpansionArguments expansion;
    KroneckerMatrixArguments matrix;
};

constexpr int kOperandThreads = kExpansionThreads;

/// Both diagonals that are wanted, one after the other, one number a thread.
__device__ __forceinline__ void write_diagonals(const CoreExpansionArguments& p, u32 block)
{
    u32 index = block * kOperandThreads + threadIdx.x;
    int which = kInner;
    if (p.scale[kInner].output == nullptr || index >= p.scale[kInner].count) {
        index -= p.scale[kInner].output == nullptr ? 0 : p.scale[kInner].count;
        which = kOuter;
    }
    const bool exists = p.scale[which].output != nullptr && index < p.scale[which].count;
    Digits digits{};
    if (exists) {
        digits = digits_of(p.scale[which], index);
    }
    ptx::griddepcontrol_wait();
    if (exists) {
        p.scale[which].output[index] = product_at(p.scale[which], digits);
    }
}

} // namespace tera::gemm

extern "C" __global__ void __launch_bounds__(tera::gemm::kOperandThreads, 3)
    block_operands(const __grid_constant__ tera::gemm::BlockOperandsArguments p)
{
    using namespace tera;
    using namespace tera::gemm;
    extern __shared__ __align__(128) unsigned char shared[];
    ptx::griddepcontrol_launch_dependents();
    if (blockIdx.x < p.expansion.blocks) {
        expand_core(p.expansion, blockIdx.x, *reinterpret_cast<ExpansionMemory*>(shared));
    } else if (blockIdx.x - p.expansion.blocks < p.matrix.blocks) {
        write_matrix<kOperandThreads>(p.matrix, blockIdx.x - p.expansion.blocks, reinterpret_cast<float*>(shared));
    } else {
        write_diagonals(p.expansion, blockIdx.x - p.expansion.blocks - p.matrix.blocks);
    }
}
