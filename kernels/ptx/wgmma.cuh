// Asynchronous warpgroup matrix multiply-accumulate, sm_90a. One instruction a function.
// https://docs.nvidia.com/cuda/parallel-thread-execution/#asynchronous-warpgroup-level-matrix-multiply-accumulate-instructions
//
// D (64×N, float32, in registers) = A (64×16) · B (16×N) + (scale_d ? D : 0), A and B in shared memory behind descriptors.
// Thread t of the warpgroup, warp w = t / 32, lane l = t % 32, holds for each group j of eight columns
//   d[4j], d[4j+1] at row 16w + l/4, columns 8j + 2·(l%4) and the next one, and d[4j+2], d[4j+3] eight rows below.
// TransposeA, TransposeB: the operand lies with its M (or N) index contiguous instead of K.
#pragma once

namespace tera::ptx {

/// Orders register and shared-memory accesses before the wgmma that follow.
__device__ __forceinline__ void wgmma_fence()
{
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

/// Closes the group of the wgmma issued since the last one.
__device__ __forceinline__ void wgmma_commit_group()
{
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

/// Waits until at most Pending of the newest groups are still running.
template <int Pending>
__device__ __forceinline__ void wgmma_wait_group()
{
    static_assert(Pending >= 0 && Pending <= 7, "0 to 7");
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory");
}

// One function for each width and type. The accumulators come first in the list of operands, so what follows them is numbered by their count.
#define TERA_D8(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), "+f"(d[i + 7])
#define TERA_NEXT32(i) TERA_D8(i), TERA_D8(i + 8), TERA_D8(i + 16), TERA_D8(i + 24)
#define TERA_D32 TERA_NEXT32(0)
#define TERA_D64 TERA_D32, TERA_NEXT32(32)
#define TERA_D96 TERA_D64, TERA_NEXT32(64)
#define TERA_D128 TERA_D96, TERA_NEXT32(96)
#define TERA_R32 \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
    "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define TERA_R64 \
    TERA_R32 ", " \
    "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
    "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define TERA_R96 \
    TERA_R64 ", " \
    "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, " \
    "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define TERA_R128 \
    TERA_R96 ", " \
    "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
    "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define TERA_WGMMA(n, type, count, a_, b_, scale_d_, transpose_a_, transpose_b_) \
    template <int TransposeA, int TransposeB> \
    __device__ __forceinline__ void wgmma_m64n##n##k16_##type(float (&d)[count], unsigned long long a, unsigned long long b, int scale_d) \
    { \
        asm volatile("{\n" \
                     ".reg .pred accumulate;\n" \
                     "setp.ne.b32 accumulate, %" #scale_d_ ", 0;\n" \
                     "wgmma.mma_async.sync.aligned.m64n" #n "k16.f32." #type "." #type " {" TERA_R##count "}, " \
                     "%" #a_ ", %" #b_ ", accumulate, 1, 1, %" #transpose_a_ ", %" #transpose_b_ ";\n" \
                     "}\n" \
                     : TERA_D##count \
                     : "l"(a), "l"(b), "r"(scale_d), "n"(TransposeA), "n"(TransposeB)); \
    }
TERA_WGMMA(64, bf16, 32, 32, 33, 34, 35, 36)
TERA_WGMMA(64, f16, 32, 32, 33, 34, 35, 36)
TERA_WGMMA(128, bf16, 64, 64, 65, 66, 67, 68)
TERA_WGMMA(128, f16, 64, 64, 65, 66, 67, 68)
TERA_WGMMA(192, bf16, 96, 96, 97, 98, 99, 100)
TERA_WGMMA(192, f16, 96, 96, 97, 98, 99, 100)
TERA_WGMMA(256, bf16, 128, 128, 129, 130, 131, 132)
TERA_WGMMA(256, f16, 128, 128, 129, 130, 131, 132)
#undef TERA_WGMMA
#undef TERA_R128
#undef TERA_R96
#undef TERA_R64
#undef TERA_R32
#undef TERA_D128
#undef TERA_D96
#undef TERA_D64
#undef TERA_D32
#undef TERA_NEXT32
#undef TERA_D8

} // namespace tera::ptx
