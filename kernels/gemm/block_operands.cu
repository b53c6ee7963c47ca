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

/// One number of the diagonals that are wanted, which are numbered one after the other.
struct DiagonalNumber {
    float* to; // null past the last
    DiagonalElement element;

    static __device__ __forceinline__ DiagonalNumber of(const CoreExpansionArguments& p, u32 index)
    {
        const u32 inner = p.scale[kInner].output != nullptr ? p.scale[kInner].count : 0, outer = p.scale[kOuter].output != nullptr ? p.scale[kOuter].count : 0;
        const int which = index < inner ? kInner : kOuter;
        if (index >= inner + outer) {
            return {nullptr, {}};
        }
        index -= which == kInner ? 0 : inner;
        return {p.scale[which].output + index, DiagonalElement::of(p.scale[which], index)};
    }
};

/// What block number `block` of `blocks` has of F and of the diagonals. Only the diagonals' vectors are another kernel's.
__device__ __forceinline__ void write_others(const BlockOperandsArguments& p, u32 block, u32 blocks, float* factors)
{
    u32 index = block * kOperandThreads + threadIdx.x;
    DiagonalNumber number = DiagonalNumber::of(p.expansion, index);
    write_matrix<kOperandThreads>(p.matrix, block, blocks, factors);
    ptx::griddepcontrol_wait();
    while (number.to != nullptr) {
        *number.to = number.element.value();
        index += blocks * kOperandThreads;
        number = DiagonalNumber::of(p.expansion, index);
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
