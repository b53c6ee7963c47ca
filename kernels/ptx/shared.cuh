// Words and elements of shared memory by their 32-bit shared addresses, all targets. One instruction a function. Through generic pointers the same words are slower:
// the hardware has to find out where they lie, and holds the registers of a store for as long.
#pragma once

namespace tera::ptx {

/// 16 bytes from a multiple of 16.
__device__ __forceinline__ uint4 ld_shared_v4(unsigned address)
{
    uint4 value;
    asm volatile("ld.shared.v4.b32 {%0, %1, %2, %3}, [%4];" : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w) : "r"(address) : "memory");
    return value;
}

/// 16 bytes to a multiple of 16.
__device__ __forceinline__ void st_shared_v4(unsigned address, const uint4& value)
{
    asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(value.x), "r"(value.y), "r"(value.z), "r"(value.w) : "memory");
}

/// 8 bytes from a multiple of 8.
__device__ __forceinline__ uint2 ld_shared_v2(unsigned address)
{
    uint2 value;
    asm volatile("ld.shared.v2.b32 {%0, %1}, [%2];" : "=r"(value.x), "=r"(value.y) : "r"(address) : "memory");
    return value;
}

/// 2 bytes.
__device__ __forceinline__ unsigned short ld_shared_u16(unsigned address)
{
    unsigned short value;
    asm volatile("ld.shared.u16 %0, [%1];" : "=h"(value) : "r"(address) : "memory");
    return value;
}

/// 2 bytes.
__device__ __forceinline__ void st_shared_u16(unsigned address, unsigned short value)
{
    asm volatile("st.shared.u16 [%0], %1;" ::"r"(address), "h"(value) : "memory");
}

} // namespace tera::ptx
