// Where an operand's tile lies in shared memory, and which lane reads which part of it for the tensor cores.
// Plain C++: tests/native/tile_map_tests.cpp proves the maps against the instructions' definitions, and counts bank conflicts.
//
// A tile mirrors global memory: rows of chunks of 16 bytes. The chunks of a row are permuted by an exclusive-or with a key made of
// the row number, so that the eight rows that one ldmatrix phase reads (or the rows that scalar float32 reads touch) lie in
// different banks.
#pragma once

#include "common/host_device.cuh"

namespace tera::gemm {

/// The tile of one operand: Extent (along M or N) by Depth (along K), its memory rows along K or across it.
template <bool AlongK, int Extent, int Depth, int ElementBytes>
struct TileMap {
    static constexpr bool kAlongK = AlongK;
    static constexpr int kElementBytes = ElementBytes;
    static constexpr int kRows = AlongK ? Extent : Depth;
    static constexpr int kColumns = AlongK ? Depth : Extent;
    static constexpr int kChunkElements = 16 / ElementBytes;
    static constexpr int kChunks = kColumns / kChunkElements;
    static constexpr int kBytes = kRows * kColumns * ElementBytes;

    static_assert((kChunks & (kChunks - 1)) == 0 && kChunks >= (ElementBytes == 4 && !AlongK ? 8 : 4), "a row fills the banks, or half of them");

    /// What the chunk numbers of a row are permuted by.
    TERA_HOST_DEVICE static u32 key(u32 row)
    {
        if constexpr (ElementBytes == 2) {
            return kChunks == 4 ? (row >> 1) & 3u : row & 7u;
        } else if constexpr (AlongK) {
            // Reads are pairs of chunks in rows g = 0..3: keep the pair together.
            return kChunks == 4 ? row & 2u : (row & 3u) << 1;
        } else {
            // Reads are pairs of chunks in rows 0, 2, 4, 6, then 1, 3, 5, 7.
            return row & 6u;
        }
    }

    /// Byte offset of a chunk.
    TERA_HOST_DEVICE static u32 chunk(u32 row, u32 number) { return (row * kChunks + (number ^ key(row))) * 16u; }

    /// Byte offset of the element at (mn, k).
    TERA_HOST_DEVICE static u32 element(u32 mn, u32 k)
    {
        const u32 row = AlongK ? mn : k, column = AlongK ? k : mn;
        return chunk(row, column / kChunkElements) + column % kChunkElements * ElementBytes;
    }

    /// 16-bit elements: the address a lane gives to ldmatrix.x4 (.trans unless AlongK) for the A fragment of rows mn.., columns k.. (16×16).
    TERA_HOST_DEVICE static u32 fragment_a(u32 mn, u32 k, u32 lane)
    {
        if constexpr (AlongK) {
            return chunk(mn + (lane & 15u), k / 8 + (lane >> 4));
        } else {
            return chunk(k + (lane & 7u) + ((lane >> 4) << 3), mn / 8 + ((lane >> 3) & 1u));
        }
    }

    /// 16-bit elements: the same for two B fragments, columns mn.. and mn + 8.., rows k.. (16 each); registers 0, 1 and 2, 3.
    TERA_HOST_DEVICE static u32 fragment_b(u32 mn, u32 k, u32 lane)
    {
        if constexpr (AlongK) {
            return chunk(mn + (lane & 7u) + ((lane >> 4) << 3), k / 8 + ((lane >> 3) & 1u));
        } else {
            return chunk(k + (lane & 15u), mn / 8 + (lane >> 4));
        }
    }
};

/// The tile of C that a block computes. Tiles are walked in groups of eight tile rows, column by column, so that the operands of
/// blocks in flight stay in the second-level cache.
struct TileIndex {
    i64 m, n;

    TERA_HOST_DEVICE static TileIndex of(u32 index, u32 tiles_m, u32 tiles_n)
    {
        constexpr u32 kGroup = 8;
        const u32 first = index / (kGroup * tiles_n) * kGroup;
        const u32 rows = tiles_m - first < kGroup ? tiles_m - first : kGroup;
        const u32 rest = index - first * tiles_n;
        return {static_cast<i64>(first + rest % rows), static_cast<i64>(rest / rows)};
    }
};

} // namespace tera::gemm
