// The emulation of kernels/ptx/shared.cuh.
#pragma once

#include "check.h"
#include "cuda.h"

namespace tera::ptx {

template <class Word>
Word ld_shared(unsigned address)
{
    check(address % sizeof(Word) == 0, "words of shared memory are aligned");
    Word value;
    std::memcpy(&value, shared + address, sizeof value);
    return value;
}

inline uint4 ld_shared_v4(unsigned address) { return ld_shared<uint4>(address); }
inline uint2 ld_shared_v2(unsigned address) { return ld_shared<uint2>(address); }

inline unsigned short ld_shared_u16(unsigned address) { return ld_shared<unsigned short>(address); }

template <class Word>
void st_shared(unsigned address, const Word& value)
{
    check(address % sizeof(Word) == 0, "words of shared memory are aligned");
    std::memcpy(shared + address, &value, sizeof value);
}

inline void st_shared_v4(unsigned address, const uint4& value) { st_shared(address, value); }
inline void st_shared_u16(unsigned address, unsigned short value) { st_shared(address, value); }

} // namespace tera::ptx
