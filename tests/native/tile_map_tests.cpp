// The index arithmetic of kernels/gemm/tile_map.cuh against the definitions of ldmatrix and mma (PTX ISA): every lane must end up with
// the elements that the tensor core expects, and no read may meet a bank twice.
#include "check.h"
#include "gemm/tile_map.cuh"

#include <set>
#include <utility>
#include <vector>

using namespace tera;
using namespace tera::gemm;

struct Place {
    u32 mn, k;
    bool operator==(const Place&) const = default;
};

/// What the tile holds, per element of shared memory.
template <class Map>
std::vector<Place> fill()
{
    constexpr Place kNothing{~0u, ~0u};
    std::vector<Place> memory(Map::kBytes / Map::kElementBytes, kNothing);
    for (u32 mn = 0; mn < (Map::kAlongK ? Map::kRows : Map::kColumns); ++mn) {
        for (u32 k = 0; k < (Map::kAlongK ? Map::kColumns : Map::kRows); ++k) {
            const u32 at = Map::element(mn, k);
            check(at % Map::kElementBytes == 0 && at < Map::kBytes, "an element lies inside the tile");
            check(memory[at / Map::kElementBytes] == kNothing, "two elements never share a place");
            memory[at / Map::kElementBytes] = {mn, k};
        }
    }
    return memory;
}

/// ldmatrix.x4 as the PTX ISA defines it: lane's register r holds two elements of matrix r.
struct Fragment {
    Place first[32][4], second[32][4];
};

Fragment ldmatrix(const std::vector<Place>& memory, const u32 (&address)[32], bool transposed)
{
    Fragment result;
    for (u32 matrix = 0; matrix < 4; ++matrix) {
        std::set<u32> banks;
        for (u32 row = 0; row < 8; ++row) {
            check(address[matrix * 8 + row] % 16 == 0, "ldmatrix wants 16-byte addresses");
            banks.insert(address[matrix * 8 + row] % 128);
        }
        check(banks.size() == 8, "the eight rows of a matrix lie in different banks");
        const auto at = [&](u32 row, u32 column) { return memory[address[matrix * 8 + row] / 2 + column]; };
        for (u32 lane = 0; lane < 32; ++lane) {
            const u32 g = lane / 4, t = lane % 4;
            result.first[lane][matrix] = transposed ? at(2 * t, g) : at(g, 2 * t);
            result.second[lane][matrix] = transposed ? at(2 * t + 1, g) : at(g, 2 * t + 1);
        }
    }
    return result;
}

/// 16-bit fragments of mma.m16n8k16.
template <bool AlongK, int Extent, int Depth>
void half_fragments()
{
    using Map = TileMap<AlongK, Extent, Depth, 2>;
    const std::vector<Place> memory = fill<Map>();
    for (u32 mn = 0; mn < Extent; mn += 16) {
        for (u32 k = 0; k < Depth; k += 16) {
            u32 for_a[32], for_b[32];
            for (u32 lane = 0; lane < 32; ++lane) {
                for_a[lane] = Map::fragment_a(mn, k, lane);
                for_b[lane] = Map::fragment_b(mn, k, lane);
            }
            const Fragment a = ldmatrix(memory, for_a, !AlongK), b = ldmatrix(memory, for_b, !AlongK);
            for (u32 lane = 0; lane < 32; ++lane) {
                const u32 g = lane / 4, t = lane % 4;
                for (u32 r = 0; r < 4; ++r) {
                    const Place in_a{mn + g + (r & 1) * 8, k + 2 * t + (r >> 1) * 8};
                    check(a.first[lane][r] == in_a && a.second[lane][r] == Place{in_a.mn, in_a.k + 1}, "A fragment");
                    const Place in_b{mn + g + (r >> 1) * 8, k + 2 * t + (r & 1) * 8};
                    check(b.first[lane][r] == in_b && b.second[lane][r] == Place{in_b.mn, in_b.k + 1}, "B fragment");
                }
            }
        }
    }
}

/// float32 tiles are read element by element (pairs where they are neighbours): no bank twice in one access.
template <bool AlongK, int Extent, int Depth>
void single_fragments()
{
    using Map = TileMap<AlongK, Extent, Depth, 4>;
    fill<Map>();
    for (u32 mn = 0; mn < Extent; mn += 8) {
        for (u32 k = 0; k < Depth; k += 8) {
            for (u32 phase = 0; phase < 2; ++phase) {
                std::set<u32> banks;
                for (u32 i = 0; i < (AlongK ? 16u : 32u); ++i) {
                    const u32 lane = AlongK ? phase * 16 + i : i, g = lane / 4, t = lane % 4;
                    const u32 at = Map::element(mn + g, k + 2 * t + (AlongK ? 0 : phase));
                    banks.insert(at / 4 % 32);
                    if (AlongK) {
                        check(at % 8 == 0 && Map::element(mn + g, k + 2 * t + 1) == at + 4, "a pair is one aligned access");
                        banks.insert(at / 4 % 32 + 1);
                    }
                }
                check(banks.size() == 32, "a float32 access meets every bank once");
            }
        }
    }
}

void tile_order(u32 tiles_m, u32 tiles_n)
{
    std::set<std::pair<i64, i64>> seen;
    for (u32 index = 0; index < tiles_m * tiles_n; ++index) {
        const TileIndex tile = TileIndex::of(index, tiles_m, tiles_n);
        check(tile.m >= 0 && tile.m < tiles_m && tile.n >= 0 && tile.n < tiles_n, "a tile of C");
        seen.insert({tile.m, tile.n});
    }
    check(seen.size() == static_cast<std::size_t>(tiles_m) * tiles_n, "every tile once");
}

int main()
{
    half_fragments<true, 128, 32>();
    half_fragments<true, 64, 32>();
    half_fragments<true, 64, 64>();
    half_fragments<false, 128, 32>();
    half_fragments<false, 64, 32>();
    half_fragments<false, 64, 64>();
    half_fragments<false, 32, 32>();
    single_fragments<true, 128, 16>();
    single_fragments<true, 64, 32>();
    single_fragments<true, 128, 32>();
    single_fragments<false, 128, 16>();
    single_fragments<false, 64, 32>();
    single_fragments<false, 32, 16>();
    for (u32 m : {1u, 2u, 7u, 8u, 9u, 16u, 37u}) {
        for (u32 n : {1u, 2u, 5u, 64u}) {
            tile_order(m, n);
        }
    }
    return finish(100000);
}
