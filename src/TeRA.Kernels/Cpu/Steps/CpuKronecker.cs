using System.Collections.Immutable;
using System.Numerics;
using TeRA.Kernels.Cpu.Products;
using TeRA.Kernels.Cpu.Simd;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>
/// A Kronecker product applied one mode at a time, shrinking modes first. The pairs (outer, inner) are lanes; an item brings a
/// few vectors of lanes into a slab [in × lanes], so that every mode product runs on contiguous, full vectors, and takes the
/// result out again. Small factors are packed once when the step is compiled, large ones again in each run.
/// </summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class CpuKronecker<T> : CpuStep where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private const long KeptElements = 1 << 18;
    private const long TokenSlabBytes = 1 << 18;
    private const long PieceSlabBytes = 1 << 21;
    private readonly KroneckerStep step;
    private readonly ImmutableArray<KroneckerStage<T>> stages;
    private readonly MatrixSource<T> input;
    private readonly T[]? kept;
    private readonly long inLength;
    private readonly long outLength;
    private readonly long width;
    private readonly long slabLength;
    private readonly long lineLength;
    private readonly T alpha;
    private T* panels;
    private T* scale;
    private nint output;
    private nint addTo;

    public CpuKronecker(WorkerPool pool, KroneckerStep step)
        : base(pool, $"kronecker {step.Modes.Length} mode{(step.Modes.Length == 1 ? "" : "s")} {TileEngine<T>.Best.Name}")
    {
        this.step = step;
        (inLength, outLength) = (step.In, step.Out);
        alpha = T.CreateTruncating(step.Alpha);
        stages = inLength == 0 ? [] : Stages(step);
        input = Source(step, inLength);
        long longest = stages.Aggregate(Math.Max(inLength, outLength), (length, stage) => Math.Max(length, stage.ResultLength));
        width = Width(longest, step, pool.ThreadCount);
        slabLength = longest * width;
        lineLength = Math.Max(Math.Max(inLength, outLength), width);
        long packed = stages.Sum(stage => stage.PanelLength);
        long packing = stages.Aggregate(0L, (length, stage) => Math.Max(length, stage.PackingLength));
        bool keep = packed <= KeptElements;
        pool.Reserve(
            sizeof(T) * Math.Max((2 * slabLength) + (5 * lineLength), packing),
            sizeof(T) * (inLength + (keep ? 0 : packed)));
        kept = keep ? Keep(packed, packing) : null;
    }

    private long Lanes => step.Outer * step.Inner;

    private long Blocks
    {
        get
        {
            long blocks = 0;
            foreach (KroneckerStage<T> stage in stages)
            {
                blocks += stage.Blocks;
            }

            return blocks;
        }
    }

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        if (input is MemorySource<T> memory)
        {
            memory.Address = addresses[step.Input!.Value.Slot];
        }

        output = addresses[step.Output.Slot];
        addTo = Optional(addresses, step.AddTo);
        var shared = (T*)Pool.Shared;
        scale = step.InputScale is { } factor ? Storage.Read(addresses[factor.Slot], factor.DType, 0, inLength, shared) : null;
        if (outLength == 0 || Lanes == 0)
        {
            return;
        }

        fixed (T* table = kept)
        {
            panels = table;
            if (kept is null)
            {
                panels = shared + inLength;
                Pool.Run(this, 0, Blocks);
            }

            Pool.Run(this, 1, Parts(Lanes, width));
        }
    }

    /// <inheritdoc/>
    internal override void RunItem(int phase, long item, byte* scratch)
    {
        if (phase == 0)
        {
            Pack(item, panels, (T*)scratch);
            return;
        }

        var slab = (T*)scratch;
        T* other = slab + slabLength;
        T* lines = other + slabLength;
        long lane = item * width, lanes = Math.Min(width, Lanes - lane);
        Load(lane, lanes, slab, lines);
        for (int i = 0; i < stages.Length; i++)
        {
            stages[i].Multiply(panels + Offset(i), slab, other, width);
            T* result = other;
            other = slab;
            slab = result;
        }

        Store(lane, lanes, slab, lines);
    }

    private static ImmutableArray<KroneckerStage<T>> Stages(KroneckerStep step)
    {
        long[] lengths = [.. step.Modes.Select(mode => mode.In)];
        var stages = ImmutableArray.CreateBuilder<KroneckerStage<T>>();
        foreach (int mode in Enumerable.Range(0, lengths.Length).OrderBy(m => (double)step.Modes[m].Out / step.Modes[m].In))
        {
            long before = lengths.Take(mode).Aggregate(1L, (product, length) => product * length);
            long after = lengths.Skip(mode + 1).Aggregate(1L, (product, length) => product * length);
            stages.Add(new KroneckerStage<T>(step.Modes[mode], step.Factors, before, after));
            lengths[mode] = step.Modes[mode].Out;
        }

        return stages.ToImmutable();
    }

    /// <summary>A line is all of a token's features where inner is 1, and otherwise the inner elements of one (outer, in).</summary>
    private static MatrixSource<T> Source(KroneckerStep step, long inLength)
    {
        long line = step.Inner == 1 ? inLength : step.Inner;
        return step.Core is { } core
            ? new GeneratedSource<T>(core with { S = line }, alongDepth: true)
            : new MemorySource<T>(step.Input!.Value.DType, alongDepth: true, line);
    }

    /// <summary>
    /// Lanes of a slab: whole tiles, few enough for the cache and for every thread to have work. Pieces of inner elements lie a
    /// page or more apart in memory; longer pieces make up for a slab that is larger than the nearest cache.
    /// </summary>
    private static long Width(long longest, KroneckerStep step, int threads)
    {
        int unit = TileEngine<T>.Best.Columns;
        long bytes = step.Inner == 1 ? TokenSlabBytes : PieceSlabBytes;
        long fitting = bytes / sizeof(T) / Math.Max(1, longest) / unit;
        long sharing = step.Outer * step.Inner / Math.Max(1, 2 * threads) / unit;
        return unit * Math.Clamp(Math.Min(fitting, sharing), 1, 8);
    }

    private T[] Keep(long packed, long packing)
    {
        T[] table = GC.AllocateUninitializedArray<T>((int)packed, pinned: true);
        using var scratch = new NativeMemoryHandle(packing * sizeof(T));
        fixed (T* start = table)
        {
            for (long block = 0; block < Blocks; block++)
            {
                Pack(block, start, (T*)scratch.Pointer);
            }
        }

        return table;
    }

    /// <summary>The block's number runs over all stages.</summary>
    private void Pack(long block, T* table, T* scratch)
    {
        int stage = 0;
        for (; block >= stages[stage].Blocks; stage++)
        {
            block -= stages[stage].Blocks;
        }

        stages[stage].Pack(block, table + Offset(stage), scratch);
    }

    private long Offset(int stage)
    {
        long offset = 0;
        for (int i = 0; i < stage; i++)
        {
            offset += stages[i].PanelLength;
        }

        return offset;
    }

    private void Load(long lane, long lanes, T* slab, T* lines)
    {
        if (lanes < width || inLength == 0)
        {
            new Span<T>(slab, checked((int)(Math.Max(inLength, outLength) * width))).Clear();
        }

        if (step.Inner == 1)
        {
            LoadTokens(lane, lanes, slab, lines);
        }
        else
        {
            LoadPieces(lane, lanes, slab);
        }

        for (long i = 0; scale != null && i < inLength; i++)
        {
            Vectors.Scale(slab + (i * width), scale[i], width);
        }
    }

    private void LoadTokens(long lane, long lanes, T* slab, T* lines)
    {
        T* zeros = lines + (4 * lineLength);
        new Span<T>(zeros, checked((int)inLength)).Clear();
        for (long l = 0; l < lanes; l += 4)
        {
            Transposition.Interleave(
                input.Line(lane + l, 0, (int)inLength, lines),
                l + 1 < lanes ? input.Line(lane + l + 1, 0, (int)inLength, lines + lineLength) : zeros,
                l + 2 < lanes ? input.Line(lane + l + 2, 0, (int)inLength, lines + (2 * lineLength)) : zeros,
                l + 3 < lanes ? input.Line(lane + l + 3, 0, (int)inLength, lines + (3 * lineLength)) : zeros,
                inLength,
                slab + l,
                (nint)width);
        }
    }

    private void LoadPieces(long lane, long lanes, T* slab)
    {
        for (long done = 0; done < lanes;)
        {
            (long outer, long inner) = Math.DivRem(lane + done, step.Inner);
            int count = (int)Math.Min(lanes - done, step.Inner - inner);
            for (long i = 0; i < inLength; i++)
            {
                T* target = slab + (i * width) + done;
                T* found = input.Line((outer * inLength) + i, inner, count, target);
                if (found != target)
                {
                    Storage.Copy(found, target, count);
                }
            }

            done += count;
        }
    }

    private void Store(long lane, long lanes, T* slab, T* lines)
    {
        if (step.TransposedOutput)
        {
            for (long i = 0; i < outLength; i++)
            {
                Finish(slab + (i * width), (i * step.Outer) + lane, lanes, lines);
            }

            return;
        }

        if (step.Inner == 1)
        {
            StoreTokens(lane, lanes, slab, lines);
            return;
        }

        for (long done = 0; done < lanes;)
        {
            (long outer, long inner) = Math.DivRem(lane + done, step.Inner);
            long count = Math.Min(lanes - done, step.Inner - inner);
            for (long i = 0; i < outLength; i++)
            {
                Finish(slab + (i * width) + done, (((outer * outLength) + i) * step.Inner) + inner, count, lines);
            }

            done += count;
        }
    }

    private void StoreTokens(long lane, long lanes, T* slab, T* lines)
    {
        for (long l = 0; l < lanes; l += 4)
        {
            Transposition.Separate(
                slab + l, (nint)width, outLength, lines, lines + lineLength, lines + (2 * lineLength), lines + (3 * lineLength));
            for (long j = 0; j < Math.Min(4, lanes - l); j++)
            {
                Finish(lines + (j * lineLength), (lane + l + j) * outLength, outLength, lines + (4 * lineLength));
            }
        }
    }

    private void Finish(T* values, long first, long count, T* buffer)
    {
        if (alpha != T.One)
        {
            Vectors.Scale(values, alpha, count);
        }

        if (addTo != 0)
        {
            Vectors.Add(Storage.Read(addTo, step.AddTo!.Value.DType, first, count, buffer), values, count);
        }

        Storage.Write(values, output, step.Output.DType, first, count);
    }
}
