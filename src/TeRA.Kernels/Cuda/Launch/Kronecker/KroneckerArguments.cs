using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TeRA.Kernels.Cuda;

/// <summary>Division by a constant below 2¹⁶; <c>tera::Divisor</c> of kernels/kronecker/indices.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct Divisor(long value)
{
    /// <summary>The divisor.</summary>
    public readonly uint Value = checked((uint)value);

    /// <summary>⌈2³²/value⌉, and 0 for 1.</summary>
    public readonly uint Magic = value == 1 ? 0 : (uint)(((1UL << 32) + (ulong)value - 1) / (ulong)value);
}

/// <summary><c>tera::SlabLayout</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct SlabLayoutArguments(SlabLayoutChoice layout)
{
    /// <summary>Elements between paddings.</summary>
    public readonly Divisor Span = new(layout.Span);

    /// <summary>Floats of a padding.</summary>
    public readonly uint Pad = (uint)layout.Pad;
}

/// <summary><c>tera::KroneckerStage</c>: one mode's product in a slab.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KroneckerStage
{
    public uint Stream;
    public uint In;
    public uint Out;
    public uint Contract;
    public uint Fibres;
    public Divisor Trailing;
    public uint InStride;
    public uint OutStride;
    public SlabLayoutArguments InLayout;
    public SlabLayoutArguments OutLayout;
    public uint Factor;
    public uint Pitch;
    public uint Source;
    public uint Target;
    public uint PerThread;
}

/// <summary>The stage table of <see cref="KroneckerSlabArguments"/>.</summary>
[InlineArray(SlabPlan.MaxModes)]
internal struct KroneckerStages
{
    private KroneckerStage first;
}

/// <summary><c>tera::SlabSide</c>: how the slabs of one side lie in the tensor.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SlabSideArguments
{
    public long Stride;
    public uint Group;
    public uint Runs;
    public uint Length;
    public uint Buffer;
    public Divisor Granules;
    public SlabLayoutArguments Layout;
    public uint Vectors;
    public uint Quads;
}

/// <summary><c>tera::ScaleIndex</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct ScaleIndexArguments(long inner, long length)
{
    /// <summary>Elements behind each entry of the scaled index.</summary>
    public readonly ulong Inner = (ulong)inner;

    /// <summary>Entries of the scaled index.</summary>
    public readonly ulong Length = (ulong)length;
}

/// <summary>The argument of <c>kronecker_slab</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KroneckerSlabArguments
{
    public nint Input;
    public nint Output;
    public nint AddTo;
    public nint Scale;
    public RandomSourceArguments Core;
    public RandomSourceArguments Factors;
    public ScaleIndexArguments ScaleIndex;
    public long Outer;
    public long Inner;
    public long Slabs;
    public long ColumnTiles;
    public uint TileRows;
    public uint TileColumns;
    public float Alpha;
    public uint StageCount;
    public SlabSideArguments Source;
    public SlabSideArguments Target;
    public KroneckerStages Stages;
}

/// <summary>The argument of <c>kronecker_dense</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KroneckerDenseArguments
{
    public nint Input;
    public nint Output;
    public nint AddTo;
    public nint Scale;
    public RandomSourceArguments Core;
    public RandomSourceArguments Factor;
    public ScaleIndexArguments ScaleIndex;
    public long In;
    public long Out;
    public long Trailing;
    public long Fibres;
    public float Alpha;
    public uint Contract;
}
