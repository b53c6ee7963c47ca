// Index arithmetic of the Kronecker kernels. Plain C++, so that a host compiler can check it.
//
// A slab is what one block holds in shared memory: a piece [rows, i₁ … i_g, columns] of the tensor, row-major, with one padding:
// element e lies at e + (e / span)·pad. The span is always a product of trailing lengths, so that the distance between neighbours
// along any mode stays constant; the planner (KroneckerLayout.cs) picks it so that warps meet few bank conflicts.
#pragma once

#include "common/host_device.cuh"

namespace tera {

/// Division of numbers below 2¹⁶ by a constant below 2¹⁶: magic = ⌈2³²/value⌉, and 0 for value 1. Exact there. Longer numbers: common/wide_divisor.cuh.
struct Divisor {
    u32 value;
    u32 magic;
};

/// ⌊n / d⌋.
TERA_HOST_DEVICE u32 quotient(u32 n, const Divisor& d) {
    return d.magic == 0 ? n : static_cast<u32>((static_cast<u64>(n) * d.magic) >> 32);
}

/// Where the elements of a slab lie.
struct SlabLayout {
    Divisor span;
    u32 pad;
};

/// The place of element e.
TERA_HOST_DEVICE u32 place(const SlabLayout& layout, u32 e) { return e + quotient(e, layout.span) * layout.pad; }

/// One mode's product in a slab: out[a, j, c] = Σ_k M[k, j]·in[a, k, c].
struct KroneckerStage {
    u32 stream;         // of the factor
    u32 in;             // k runs to it
    u32 out;            // j runs to it
    u32 contract;       // 1: M[k, j] is the factor's element (k, j); 0: its element (j, k)
    u32 fibres;         // number of pairs (a, c)
    Divisor trailing;   // number of c
    u32 in_stride;      // distance of in[a, k, c] and in[a, k + 1, c]
    u32 out_stride;     // likewise of out
    SlabLayout in_layout;
    SlabLayout out_layout;
    u32 factor;         // where M lies, row k at k·pitch; zero from column `out` to `pitch`
    u32 pitch;          // `out` rounded up to 8
    u32 source;         // where the input slab begins
    u32 target;         // where the output slab begins
    u32 per_thread;     // fibres of one thread: 1 or 4
};

/// Where fibre f begins in the stage's input (k = 0).
TERA_HOST_DEVICE u32 fibre_source(const KroneckerStage& s, u32 f) {
    const u32 a = quotient(f, s.trailing);
    return s.source + place(s.in_layout, f + a * (s.in - 1) * s.trailing.value);
}

/// Where fibre f begins in the stage's output (j = 0).
TERA_HOST_DEVICE u32 fibre_target(const KroneckerStage& s, u32 f) {
    const u32 a = quotient(f, s.trailing);
    return s.target + place(s.out_layout, f + a * (s.out - 1) * s.trailing.value);
}

/// One side (input or output) of the slabs of a launch: how a slab's elements lie in the tensor [outer, group, inner].
/// A slab is `runs` contiguous runs of `length` elements, one every `stride` elements. A slab of whole inner rows is one run.
struct SlabSide {
    i64 stride;
    u32 group;         // length of the group's index on this side
    u32 runs;
    u32 length;
    u32 buffer;        // where the slab begins in shared memory
    Divisor granules;  // of one run: how many vectors (or single elements, or generator blocks) cover it
    SlabLayout layout;
    u32 vectors;       // 1: global accesses of 16 bytes are possible, all runs beginning and ending on a vector
    u32 quads;         // 1: four elements from a multiple of 4 lie together and aligned in shared memory
};

/// One slab's place in the tensor.
struct SlabTile {
    i64 base;          // first element
    u32 valid_runs;    // runs inside the tensor
    u32 valid_length;  // elements of a run inside the tensor
};

/// The tile at outer index `row` and inner index `column`, with `rows` × `columns` of it inside the tensor.
TERA_HOST_DEVICE SlabTile slab_tile(const SlabSide& side, i64 inner, i64 row, i64 column, u32 rows, u32 columns) {
    const bool whole = side.runs == 1;  // then columns is the whole of inner
    return SlabTile{row * side.group * inner + column, whole ? 1u : rows * side.group, whole ? rows * side.group * columns : columns};
}

/// Which entry of a vector along the input index scales a tensor element: (number / inner) mod length.
struct ScaleIndex {
    u64 inner;
    u64 length;
};

/// Walks along consecutive elements, yielding the scale's index.
struct ScaleWalk {
    u64 index;
    u64 rest;  // position within `inner`
};

TERA_HOST_DEVICE ScaleWalk scale_at(const ScaleIndex& s, u64 number) {
    if (((number | s.inner | s.length) >> 32) == 0) {
        const u32 q = static_cast<u32>(number) / static_cast<u32>(s.inner);
        return ScaleWalk{q % static_cast<u32>(s.length), static_cast<u32>(number) - q * static_cast<u32>(s.inner)};
    }
    const u64 q = number / s.inner;
    return ScaleWalk{q % s.length, number - q * s.inner};
}

TERA_HOST_DEVICE void advance(const ScaleIndex& s, ScaleWalk& walk) {
    if (++walk.rest == s.inner) {
        walk.rest = 0;
        if (++walk.index == s.length) {
            walk.index = 0;
        }
    }
}

}  // namespace tera
