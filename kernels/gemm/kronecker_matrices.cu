// Several Kronecker products of regenerated factors (kronecker_matrix.cuh), and up to two diagonals, in one launch: what the kernels of a pass that multiply
// with whole factors load instead of making it once a block. None reads what another one writes. Every matrix has blocks of its own; the last ones make the diagonals.
//
// Macros: TERA_DTYPE (0 float32, 1 bfloat16, 2 float16).
#include "gemm/diagonal.cuh"
#include "gemm/kronecker_matrix.cuh"

namespace tera::gemm {

constexpr int kMostMatrices = 8, kMatricesThreads = 256;

/// One of the matrices, with its place in the table of modes and in the grid.
struct PlacedMatrix : KroneckerMatrix {
    u32 first_mode, first_block;
};

/// The same layout as the C# struct KroneckerMatricesLauncher.Arguments.
struct KroneckerMatricesArguments {
    PlacedMatrix matrix[kMostMatrices];
    MatrixMode mode[kMatrixModes];
    Diagonal diagonal[2];
    u32 matrices;
    u32 diagonal_block; // the first of these
};

/// Block number `block` of `blocks` of the diagonals.
__device__ __forceinline__ void write_diagonals(const KroneckerMatricesArguments& p, u32 block, u32 blocks)
{
    u32 index = block * kMatricesThreads + threadIdx.x;
    DiagonalNumber number = DiagonalNumber::of(p.diagonal, index);
    ptx::griddepcontrol_wait();
    while (number.to != nullptr) {
        *number.to = number.element.value();
        index += blocks * kMatricesThreads;
        number = DiagonalNumber::of(p.diagonal, index);
    }
}

} // namespace tera::gemm

extern "C" __global__ void __launch_bounds__(tera::gemm::kMatricesThreads)
    kronecker_matrices(const __grid_constant__ tera::gemm::KroneckerMatricesArguments p)
{
    using namespace tera;
    using namespace tera::gemm;
    extern __shared__ __align__(16) unsigned char shared[];
    ptx::griddepcontrol_launch_dependents();
    if (blockIdx.x >= p.diagonal_block) {
        write_diagonals(p, blockIdx.x - p.diagonal_block, gridDim.x - p.diagonal_block);
        return;
    }
    u32 m = 0;
    while (m + 1 < p.matrices && blockIdx.x >= p.matrix[m + 1].first_block) {
        ++m;
    }
    const PlacedMatrix& matrix = p.matrix[m];
    const u32 end = m + 1 < p.matrices ? p.matrix[m + 1].first_block : p.diagonal_block;
    write_matrix<kMatricesThreads>(matrix, p.mode + matrix.first_mode, blockIdx.x - matrix.first_block, end - matrix.first_block, reinterpret_cast<float*>(shared));
    ptx::griddepcontrol_wait();
}
