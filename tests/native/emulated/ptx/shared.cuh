// The emulation of kernels/ptx/shared.cuh.
#pragma once

#include "cuda.h"

namespace tera::ptx {

template <class Word>
Word ld_shared(unsigned address)
{
    Word value;
    emulated::load_shared(&value, address, sizeof value);
    return value;
}

inline uint4 ld_shared_v4(unsigned address) { return ld_shared<uint4>(address); }
inline uint2 ld_shared_v2(unsigned address) { return ld_shared<uint2>(address); }
inline unsigned short ld_shared_u16(unsigned address) { return ld_shared<unsigned short>(address); }

inline void st_shared_v4(unsigned address, const uint4& value) { emulated::store_shared(address, &value, 16); }
inline void st_shared_u16(unsigned address, unsigned short value) { emulated::store_shared(address, &value, 2); }

} // namespace tera::ptx
