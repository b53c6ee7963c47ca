// What kernels/kronecker/wgmma_modes.cu and its parts agree on: the argument, the tiles that follow from the macros, and where things lie in
// shared memory.
#pragma once

#include "gemm/wgmma_engine.cuh"
#include "random/distributions.cuh"

namespace tera {

constexpr int kMaximumModes = 6;
constexpr int kModeIn[] = {TERA_MODES_IN}, kModeOut[] = {TERA_MODES_OUT};
constexpr int kModes = sizeof(kModeIn) / sizeof(int);
static_assert(kModes > 1 && kModes <= kMaximumModes && sizeof(kModeIn) == sizeof(kModeOut), "two to six modes");

/// Product of the lengths of modes first, first + 1, …
constexpr int product(const int (&lengths)[kModes], int first)
{
    int result = 1;
    for (int m = first; m < kModes; ++m) {
        result *= lengths[m];
    }
    return result;
}

constexpr int kFirstIn = kModeIn[0], kFirstOut = kModeOut[0];
constexpr int kRestIn = product(kModeIn, 1), kRestOut = product(kModeOut, 1);
constexpr int kInPadded = kFirstIn <= 8 ? 8 : kFirstIn <= 16 ? 16 : kFirstIn <= 32 ? 32 : 64;
constexpr int kOutGroups = (kFirstOut + 7) / 8;
static_assert(kFirstIn <= 64 && kFirstOut <= 64 && kRestIn % 64 == 0, "what the tiles hold");

struct ModeArguments {
    unsigned stream;
    int contract;        // the factor is numbered in × out; otherwise out × in
    const float* scale;  // in numbers, or null
};

struct ModesArguments {
    ptx::TensorMap input;   // (i, i₁, t), boxes 64 × kInPadded × kPassTokens
    ptx::TensorMap output;  // rows: (o, o₁, t), boxes 64 × kOut × kStoreTokens; transposed: (t, o₁, o), boxes kUnitTokens × 8 × 8
    ptx::TensorMap added;   // as the transposed output; for marginals, what the results are multiplied by, as rows
    ptx::TensorMap rest;    // TERA_PREPARED: F in boxes 64 × kFactorRows; as F₁ out × in, with its scales, and rest_scale in it, rounded once
    RandomSource factors;
    ModeArguments modes[kMaximumModes];
    void* transposed;  // (o₁, o) × ld
    const void* add;   // the same layout
    long long ld;
    int tokens, token_tiles;
    int wide;          // whether transposed rows start at multiples of 16 bytes; otherwise elements go one by one, and the maps are void
    int group;         // marginals: tiles of a block along the rows
    float rest_scale;  // a power of two that keeps the sums over i near the size of the input
    float alpha;       // with that power taken back; marginals leave it to the sum of their partial ones

    // Marginals: the scales of the sums over rows and columns, and where partial ones go: row_partial[(row tile, warp)][t], column_partial[group][(o₁, o)].
    const float* row_scale;
    const float* column_scale;
    float* row_partial;
    float* column_partial;

    const unsigned short* first; // TERA_PREPARED: F₁
};

constexpr int kFewTiles = 4;  // of a block; WgmmaModesShape.FewTiles
constexpr int kConsumers = 2;
constexpr int kThreads = 128 * (1 + kConsumers);
constexpr int kStages = TERA_STAGES;

// A warpgroup holds kChunks blocks of 64 rows of F at once and kPassColumns columns of accumulators; a tile's columns take kPasses of them.
constexpr int kChunks = TERA_CHUNKS;
constexpr int kPassColumns = 128;
constexpr int kPasses = TERA_COLUMNS / kPassColumns;
constexpr int kRegisters = kPassColumns / 2;
constexpr int kPassTokens = kPassColumns / kInPadded;  // rows t
constexpr int kTokens = kPasses * kPassTokens;         // of a warpgroup's part of a tile
constexpr int kColumnParts = TERA_SPLIT_COLUMNS ? kConsumers : 1;
// Where a part has only eight rows t, one 16-byte word of a transposed row, it takes two rounds: memory writes half a sector at a fraction of its rate. With W0 to be
// read one round was faster, both without the copy engine, which takes about seven cycles a word.
constexpr bool kWords = TERA_TRANSPOSED_OUT && kTokens == 8;
constexpr int kRounds = kWords && !TERA_ADD ? 2 : 1;
constexpr int kTileTokens = kColumnParts * kTokens * kRounds;
constexpr int kPartBytes = kPassColumns * 128;
constexpr int kStageBytes = kColumnParts * kPartBytes;

constexpr int kWarpgroupRows = 64 * kChunks;
constexpr int kTileRows = TERA_SPLIT_COLUMNS ? kWarpgroupRows : kConsumers * kWarpgroupRows;
constexpr int kRowTiles = (kRestOut + kTileRows - 1) / kTileRows;
// A block that writes transposed rows, or sums over rows, works on one tile of F's rows all along and holds no others; the grid is a multiple of kRowTiles.
constexpr bool kKeepsRows = TERA_TRANSPOSED_OUT || TERA_MARGINALS;
constexpr int kFactorRows = kKeepsRows ? kTileRows : kRowTiles * kTileRows;
constexpr int kFactorBoxBytes = kFactorRows * 128; // 64 columns
static_assert(!TERA_PREPARED || kKeepsRows, "a box holds 256 rows");

// Rows out: a store takes kStoreTokens rows of 64 of o, all o₁.
constexpr int kOut = 8 * kOutGroups;
// For marginals the boxes come in, half as long and more of them.
constexpr int kStoreLimit = (kOut <= 8 ? 8 : kOut <= 16 ? 4 : 2) / (TERA_MARGINALS ? 2 : kOut <= 32 ? 1 : 2);
constexpr int kStoreTokens = kStoreLimit < kTokens ? kStoreLimit : kTokens;
constexpr int kStoreBytes = kStoreTokens * kOut * 128;

// Transposed out: a unit of one warp is 8 of o × 8 of o₁ × kUnitTokens of t, rows of t side by side. The warp's 16 of o are two units.
constexpr int kUnitTokens = kTokens < 32 ? kTokens : 32;
constexpr int kUnitRow = kUnitTokens * 2;
constexpr int kUnitBytes = 8 * 8 * kUnitRow;
constexpr int kUnitParts = kTokens / kUnitTokens;
constexpr int kUnits = kOutGroups * kUnitParts * 2;  // of a tile
static_assert(!TERA_TRANSPOSED_OUT || (kTokens >= 8 && kChunks == 1), "a word is eight rows t");
static_assert(TERA_TRANSPOSED_OUT || kPasses == 1, "rows leave after each pass");
static_assert(!TERA_MARGINALS || (!TERA_TRANSPOSED_OUT && !TERA_ADD), "nothing leaves");

constexpr int kBuffers = TERA_MARGINALS ? 4 : TERA_TRANSPOSED_OUT ? 3 : 2;  // that what leaves, or comes beside the input, takes turns with
constexpr int kStagingBytes = kRounds == 2 ? kOutGroups * 4 * 128 * 16 : kWords ? 0 : kBuffers * (TERA_TRANSPOSED_OUT ? 4 * kUnitBytes : kStoreBytes);  // of a warpgroup

constexpr int kInBlocks = (kInPadded + 15) / 16;
constexpr int kFirstFragments = kInBlocks * kOutGroups * 32;

using E = Element<TERA_DTYPE>;

/// Where each table of a factor starts, in floats; a multiple of four.
constexpr int table_start(int mode)
{
    int start = 0;
    for (int m = 0; m < mode; ++m) {
        start += (kModeIn[m] * kModeOut[m] + 3) / 4 * 4;
    }
    return start;
}

// The tables lie in the last stages until F is made; the others fill meanwhile.
constexpr int kTableStages = TERA_PREPARED ? 0 : (table_start(kModes) * 4 + kStageBytes - 1) / kStageBytes;
static_assert(kStages > kTableStages, "the tables take whole stages");

/// The tiles of a block: along the rows t, those of F's rows first; with marginals neighbours, so that the order of their sums is the same on every device.
__device__ __forceinline__ int first_tile(const ModesArguments& p) { return TERA_MARGINALS ? blockIdx.x / kRowTiles * p.group : blockIdx.x; }

__device__ __forceinline__ int last_tile(const ModesArguments& p)
{
    return TERA_MARGINALS ? min(first_tile(p) + p.group, p.token_tiles) : kRowTiles * p.token_tiles;
}

__device__ __forceinline__ int tile_step() { return TERA_MARGINALS ? 1 : gridDim.x; }

/// First row of F of a tile.
__device__ __forceinline__ int first_row(int index) { return (kKeepsRows ? blockIdx.x : index) % kRowTiles * kTileRows; }

/// First row t of a warpgroup's part of a tile.
__device__ __forceinline__ int first_token(int index, int part)
{
    return (TERA_MARGINALS ? index : index / kRowTiles) * kTileTokens + part * kTokens * kRounds;
}

/// Shared memory, as offsets into it.
struct Shared {
    unsigned stages, tables, staging, factor, first, full, empty, arrived, used;
};

__device__ __forceinline__ Shared layout(unsigned base)
{
    Shared s;
    s.stages = base;
    s.tables = s.stages + (kStages - kTableStages) * kStageBytes;
    s.staging = s.stages + kStages * kStageBytes;
    s.factor = s.staging + kConsumers * kStagingBytes;
    s.first = s.factor + kFactorRows * kRestIn * 2;
    s.full = s.first + kFirstFragments * 8;
    s.empty = s.full + kStages * 8;
    s.arrived = s.empty + kStages * 8;  // what is added to a unit: one barrier a buffer and warp; marginals: a buffer and warpgroup, and as many more
    s.used = s.arrived + kConsumers * kBuffers * 8;
    return s;
}

} // namespace tera
