// The emulation of kernels/ptx/tma.cuh: 16-bit elements, the swizzle of the box's row (128, 64, 32 bytes, or none of 16), loads that happen
// at once, and stores that read shared memory as late as they may: when their thread waits for them.
#pragma once

#include "mbarrier.cuh"

#include <deque>

namespace tera::ptx {

struct alignas(64) TensorMap {
    unsigned short* address;
    int lengths[3]; // the fastest first
    int box[3];
    long long strides[2] = {0, 0}; // elements from one of the second and third dimension to the next; 0 where they lie side by side
};

static_assert(sizeof(TensorMap) <= 128);

/// Byte of 16-byte chunk c of 128-byte row r: the swizzle works on the address.
inline unsigned swizzled_address(unsigned address) { return address ^ ((address >> 7 & 7) << 4); }

template <class Move>
void for_each_element(const TensorMap& map, unsigned shared_start, int x, int y, int z, const Move& move)
{
    const int row = map.box[0] * 2;
    check(shared_start % (8 * row) == 0 && (row == 128 || row == 64 || row == 32 || row == 16), "boxes start at multiples of the swizzle's pattern, and are as wide");
    const long long second = map.strides[0] ? map.strides[0] : map.lengths[0], third = map.strides[1] ? map.strides[1] : second * map.lengths[1];
    for (int c = 0; c < map.box[2]; ++c) {
        for (int b = 0; b < map.box[1]; ++b) {
            for (int a = 0; a < map.box[0]; ++a) {
                const bool inside = x + a >= 0 && x + a < map.lengths[0] && y + b >= 0 && y + b < map.lengths[1] && z + c >= 0 && z + c < map.lengths[2];
                auto* at = map.address + (z + c) * third + (y + b) * second + x + a;
                const unsigned place = shared_start + (c * map.box[1] + b) * row + 2 * a;
                move(inside, at, shared + (place ^ ((place >> 7 & (row / 16 - 1)) << 4)));
            }
        }
    }
}

inline void prefetch_tensormap(const TensorMap*) {}

inline void cp_async_bulk_tensor_3d_load(unsigned to, const TensorMap* map, int x, int y, int z, unsigned barrier)
{
    for_each_element(*map, to, x, y, z, [](bool inside, unsigned short* at, unsigned char* place) {
        const unsigned short value = inside ? *at : 0;
        std::memcpy(place, &value, 2);
    });
    complete_tx(barrier, 2 * map->box[0] * map->box[1] * map->box[2]);
}

inline void cp_async_bulk_tensor_2d_load(unsigned to, const TensorMap* map, int x, int y, unsigned barrier) { cp_async_bulk_tensor_3d_load(to, map, x, y, 0, barrier); }

/// A thread's bulk groups, the oldest first; the last one is open.
inline std::map<unsigned, std::deque<std::vector<std::function<void()>>>> bulk_groups;

inline std::deque<std::vector<std::function<void()>>>& groups_of_thread()
{
    auto& groups = bulk_groups[threadIdx.x];
    if (groups.empty()) {
        groups.emplace_back();
    }
    return groups;
}

inline void store_now(const TensorMap* map, int x, int y, int z, unsigned from)
{
    for_each_element(*map, from, x, y, z, [](bool inside, unsigned short* at, unsigned char* place) {
        if (inside) {
            std::memcpy(at, place, 2);
        }
    });
}

inline void cp_async_bulk_tensor_3d_store(const TensorMap* map, int x, int y, int z, unsigned from)
{
    groups_of_thread().back().push_back([=] { store_now(map, x, y, z, from); });
}

inline void cp_async_bulk_tensor_2d_store(const TensorMap* map, int x, int y, unsigned from) { cp_async_bulk_tensor_3d_store(map, x, y, 0, from); }

inline void cp_async_bulk_commit_group() { groups_of_thread().emplace_back(); }

template <int Pending>
void cp_async_bulk_wait_group_read()
{
    auto& groups = groups_of_thread();
    for (; groups.size() > Pending + 1; groups.pop_front()) {
        for (const auto& store : groups.front()) {
            store();
        }
    }
}

inline void fence_proxy_async() {}

} // namespace tera::ptx
