// Operand tiles from a row-major matrix in global memory, of any size and alignment.
//
// Thread mapping: consecutive threads take consecutive chunks of 16 bytes of the tile. What lies outside the matrix becomes zero.
// Matrices whose rows are all 16-byte aligned move by 16-byte asynchronous copies, those that are 4-byte aligned by four copies of
// 4 bytes, the rest by single elements through registers: one kernel serves every pointer.
#pragma once

#include "common/host_device.cuh"
#include "ptx/cp_async.cuh"
#include "ptx/ldmatrix.cuh"

namespace tera::gemm {

template <class C, class TileMap>
struct MatrixLoader {
    using Map = TileMap;
    using Storage = typename C::Storage;

    const Storage* matrix;
    i64 rows, columns; // as they lie in memory
    i64 pitch;         // elements from one row to the next
    i64 origin;        // of the tile along M or N
    u32 granule;       // bytes that may be copied at once

    __device__ __forceinline__ MatrixLoader(const void* pointer, i64 extent, i64 depth, i64 first)
        : MatrixLoader(pointer, extent, depth, Map::kAlongK ? depth : extent, first)
    {
    }

    /// Of a part of wider rows. `first` is a multiple of the tile's extent, or the caller's own where blocks of columns cut the tiles.
    __device__ __forceinline__ MatrixLoader(const void* pointer, i64 extent, i64 depth, i64 row_pitch, i64 first)
        : matrix(static_cast<const Storage*>(pointer)), rows(Map::kAlongK ? extent : depth), columns(Map::kAlongK ? depth : extent), pitch(row_pitch), origin(first)
    {
        const u64 start = Map::kAlongK ? 0 : static_cast<u64>(first);
        const u64 bits = reinterpret_cast<u64>(pointer) | (static_cast<u64>(pitch) | start) * sizeof(Storage);
        granule = bits % 16 == 0 ? 16 : bits % 4 == 0 ? 4 : 2;
    }

    /// Fills one stage's tile with the columns (rows) from k on; asynchronous copies belong to the caller's open group.
    __device__ __forceinline__ void load(unsigned char* tile, i64 k) const
    {
        const i64 first_row = Map::kAlongK ? origin : k;
        const i64 first_column = Map::kAlongK ? k : origin;
        constexpr int kChunks = Map::kRows * Map::kChunks;
#pragma unroll
        for (int i = 0; i < (kChunks + C::kThreads - 1) / C::kThreads; ++i) {
            const u32 number = threadIdx.x + i * C::kThreads;
            if (kChunks % C::kThreads != 0 && number >= kChunks) {
                break;
            }
            const u32 row = number / Map::kChunks, chunk = number % Map::kChunks;
            const i64 column = first_column + chunk * Map::kChunkElements;
            const i64 left = first_row + row < rows ? columns - column : 0;
            const int valid = left <= 0 ? 0 : left < Map::kChunkElements ? static_cast<int>(left) : Map::kChunkElements;
            const Storage* source = valid > 0 ? matrix + (first_row + row) * pitch + column : matrix;
            copy(tile + Map::chunk(row, chunk), source, valid);
        }
    }

private:
    __device__ __forceinline__ void copy(unsigned char* to, const Storage* from, int valid) const
    {
        const int bytes = valid * static_cast<int>(sizeof(Storage));
        if (granule == 16) {
            ptx::cp_async_16(ptx::shared_address(to), from, bytes);
        } else if (sizeof(Storage) == 4 || granule == 4) {
#pragma unroll
            for (int part = 0; part < 16; part += 4) {
                const int present = min(max(bytes - part, 0), 4);
                const auto* source = reinterpret_cast<const unsigned char*>(from) + (present > 0 ? part : 0);
                ptx::cp_async_4(ptx::shared_address(to) + part, source, present);
            }
        } else {
            copy_elements(to, from, valid);
        }
    }

    __device__ __forceinline__ static void copy_elements(unsigned char* to, const Storage* from, int valid)
    {
        u32 words[4] = {};
#pragma unroll
        for (int i = 0; i < Map::kChunkElements; ++i) {
            const u32 bits = i < valid ? static_cast<u32>(from[i]) : 0u;
            words[i / 2] |= bits << (16 * (i % 2));
        }
        *reinterpret_cast<uint4*>(to) = make_uint4(words[0], words[1], words[2], words[3]);
    }
};

} // namespace tera::gemm
