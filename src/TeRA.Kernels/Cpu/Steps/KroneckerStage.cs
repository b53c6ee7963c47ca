using TeRA.Kernels.Cpu.Products;
using TeRA.Kernels.Cpu.Simd;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>One mode product of a Kronecker step: for each of Before, [In × After·width] becomes [Out × After·width].</summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class KroneckerStage<T> where T : unmanaged
{
    private const int DepthBlock = TileEngine<T>.DepthBlock;
    private readonly TileEngine<T> engine = TileEngine<T>.Best;
    private readonly GeneratedSource<T> factor;
    private readonly PanelPacker<T> packer;

    /// <summary>Fixes the shape.</summary>
    /// <param name="mode">The factor.</param>
    /// <param name="source">Its seed and distribution.</param>
    /// <param name="before">Product of the lengths of the modes before it, at this stage.</param>
    /// <param name="after">Product of the lengths of the modes after it, at this stage.</param>
    public KroneckerStage(KroneckerMode mode, RandomSource source, long before, long after)
    {
        (In, Out, Before, After) = (mode.In, mode.Out, before, after);
        factor = new GeneratedSource<T>(new CoreSource(source, mode.Stream, mode.FactorRows, mode.FactorColumns), alongDepth: !mode.Contract);
        packer = new PanelPacker<T>(checked((int)Math.Max(Out, DepthBlock)));
    }

    /// <summary>Length of the mode before.</summary>
    public long In { get; }

    /// <summary>Length of the mode after.</summary>
    public long Out { get; }

    /// <summary>Length of the result for one lane, with the rows that the last tile writes past its end.</summary>
    public long ResultLength => ((Before * Out) + engine.PaddedRows(Out) - Out) * After;

    /// <summary>Elements of the packed factor.</summary>
    public long PanelLength => engine.PaddedRows(Out) * In;

    /// <summary>Elements of scratch memory for packing.</summary>
    public long PackingLength => packer.ScratchLength;

    private long Before { get; }

    private long After { get; }

    /// <summary>Parts that the factor is packed in.</summary>
    public long Blocks => Out == 0 ? 0 : (In + DepthBlock - 1) / DepthBlock;

    /// <summary>Generates and packs one part of the factor.</summary>
    public void Pack(long block, T* panels, T* scratch)
    {
        long k = block * DepthBlock;
        int depth = (int)Math.Min(DepthBlock, In - k);
        packer.PackRows(factor, 0, (int)Out, k, depth, panels + (k * engine.PaddedRows(Out)), scratch);
    }

    /// <summary>Multiplies; <paramref name="width"/> lanes, a multiple of a tile's columns, are contiguous in both slabs.</summary>
    public void Multiply(T* panels, T* input, T* output, long width)
    {
        long row = After * width;
        for (long before = 0; before < Before; before++)
        {
            for (long k = 0; k < In; k += DepthBlock)
            {
                long depth = Math.Min(DepthBlock, In - k);
                T* panel = panels + (k * engine.PaddedRows(Out));
                for (long first = 0; first < Out;)
                {
                    int rows = engine.TileRows(Out - first);
                    engine.Multiply(
                        rows, depth, panel, input + (k * row), (nint)row, output + (first * row), (nint)row, row / engine.Columns, engine.Columns, accumulate: k > 0);
                    panel += rows * depth;
                    first += rows;
                }
            }

            input += In * row;
            output += Out * row;
        }
    }
}
