// All that a product with blocks needs of a Kronecker update besides the tokens, in one launch: M, the core with the first mode applied
// (core_expansion.cuh); F, the other modes multiplied out (kronecker_matrix.cuh); and the diagonals, as M's scales and, where a later step
// reads them, in memory. None reads what another one writes: M multiplies the diagonals' vectors where it needs them. M's blocks come
// first, since they take longest; the others share F and the diagonals. Any of the three may be nothing.
//
// Macros: TERA_DTYPE (0 float32, 1 bfloat16, 2 float16).
#include "gemm/core_expansion.cuh"
#include "gemm/kronecker_matrix.cuh"

namespace tera::gemm {

/// The same layout as the C# struct BlockOperandsLauncher.Arguments.
struct BlockOperandsArguments {
    CoreExpansionArguments expansion;
    KroneckerMatrixArguments matrix;
};

constexpr int kOperandThreads = kExpansionThreads;

/// What block number `block` of `blocks` has of F and of the diagonals. Only the diagonals' vectors are another kernel's.
__device__ __forceinline__ void write_others(const BlockOperandsArguments& p, u32 block, u32 blocks, float* factors)
{
    u32 index = block * kOperandThreads + threadIdx.x;
    DiagonalNumber number = DiagonalNumber::of(p.expansion.scale, index);
    write_matrix<kOperandThreads>(p.matrix, p.matrix.mode, block, blocks, factors);
    ptx::griddepcontrol_wait();
    while (number.to != nullptr) {
        *number.to = number.element.value();
        index += blocks * kOperandThreads;
        number = DiagonalNumber::of(p.expansion.scale, index);
    }
}

} // namespace tera::gemm

extern "C" __global__ void __launch_bounds__(tera::gemm::kOperandThreads, 2)
    block_operands(const __grid_constant__ tera::gemm::BlockOperandsArguments p)
{
    using namespace tera;
    using namespace tera::gemm;
    extern __shared__ __align__(128) unsigned char shared[];
    ptx::griddepcontrol_launch_dependents();
    if (blockIdx.x < p.expansion.blocks) {
        expand_core(p.expansion, blockIdx.x, *reinterpret_cast<ExpansionMemory*>(shared));
    } else {
        write_others(p, blockIdx.x - p.expansion.blocks, gridDim.x - p.expansion.blocks, reinterpret_cast<float*>(shared));
    }
}
