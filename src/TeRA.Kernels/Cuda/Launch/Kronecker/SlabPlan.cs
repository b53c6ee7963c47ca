using System.Collections.Immutable;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// How one launch of <c>kronecker_slab</c> cuts its tensor: a block holds TileRows outer indices × all modes × TileColumns inner indices in
/// shared memory and applies the modes in the order that keeps it small. Only speed depends on the tile, never the result.
/// </summary>
/// <param name="Problem">What it solves.</param>
/// <param name="Order">Positions of the modes in the order in which they are applied: those first that shrink most.</param>
/// <param name="TileRows">Outer indices of a slab.</param>
/// <param name="TileColumns">Inner indices of a slab; all of them, or a number that makes whole memory sectors.</param>
/// <param name="Threads">Threads of a block.</param>
internal sealed record SlabPlan(SlabProblem Problem, ImmutableArray<int> Order, int TileRows, int TileColumns, int Threads)
{
    /// <summary>Most modes of a launch: the length of the stage table in kernels/kronecker/slab.cu.</summary>
    public const int MaxModes = 16;

    /// <summary>Outputs of one mode that a thread sums at a time.</summary>
    public const int OutputsPerThread = 8;

    // The kernel divides by multiplication, exact below 2¹⁶.
    private const long MaxElements = 65535;
    private const long MaxWholeColumns = 64;
    private const long SectorBytes = 32;
    private const long TargetElements = 8192;

    /// <summary>Plans a launch; null when no slab fits the device's shared memory.</summary>
    public static SlabPlan? Create(SlabProblem problem, DeviceTraits traits)
    {
        ImmutableArray<int> order =
            [.. Enumerable.Range(0, problem.Modes.Length).OrderBy(i => (double)problem.Modes[i].Out / problem.Modes[i].In)];
        long limit = traits.SharedMemoryBytes;
        // Several blocks on a multiprocessor hide each other's waiting; rather one slab than a second launch, though.
        foreach (long budget in (ReadOnlySpan<long>)[limit * 5 / 16, limit / 2, limit])
        {
            foreach (long columns in ColumnCandidates(problem))
            {
                if (Bytes(problem, order, 1, columns) <= budget)
                {
                    return Grow(problem, order, columns, budget, limit, traits.Processors);
                }
            }
        }

        return null;
    }

    /// <summary>Lengths of a slab after <paramref name="stages"/> of its modes: rows, the modes, columns.</summary>
    public int[] Lengths(int stages)
    {
        int[] lengths = [TileRows, .. Problem.Modes.Select(mode => (int)mode.In), TileColumns];
        foreach (int position in Order.AsSpan(0, stages))
        {
            lengths[position + 1] = (int)Problem.Modes[position].Out;
        }

        return lengths;
    }

    /// <summary>Floats of a mode's factor in shared memory: a row for each input, padded to whole groups of outputs.</summary>
    public static long FactorFloats(KroneckerMode mode) => mode.In * Pitch(mode);

    /// <summary>Length of a factor's row in shared memory.</summary>
    public static long Pitch(KroneckerMode mode) => (mode.Out + OutputsPerThread - 1) / OutputsPerThread * OutputsPerThread;

    /// <summary>Warps' worth of work in a stage of <paramref name="fibres"/> fibres when a thread takes <paramref name="perThread"/> of them.</summary>
    public static long WarpItems(KroneckerMode mode, long fibres, int perThread) =>
        (fibres + (32 * perThread) - 1) / (32 * perThread) * (Pitch(mode) / OutputsPerThread);

    private static IEnumerable<long> ColumnCandidates(SlabProblem problem)
    {
        if (problem.Inner <= MaxWholeColumns)
        {
            yield return problem.Inner;
        }

        int size = Math.Min(problem.Input?.Size() ?? int.MaxValue, problem.Output.Size());
        for (long columns = 128; columns * size >= SectorBytes; columns /= 2)
        {
            if (columns < problem.Inner)
            {
                yield return columns;
            }
        }
    }

    /// <summary>Most bytes that slabs of this tile need; a bank-conflict padding takes at most a quarter (<see cref="SlabLayoutChoice"/>).</summary>
    private static long Bytes(SlabProblem problem, ImmutableArray<int> order, long rows, long columns)
    {
        double length = problem.Modes.Aggregate(1.0, (product, mode) => product * mode.In) * rows * columns;
        double factors = 0;
        double[] largest = [length, 0];
        for (int i = 0; i < order.Length; i++)
        {
            KroneckerMode mode = problem.Modes[order[i]];
            factors += (double)mode.In * Pitch(mode);
            length = length / mode.In * mode.Out;
            largest[(i + 1) % 2] = Math.Max(largest[(i + 1) % 2], length);
        }

        double floats = factors + (1.25 * (largest[0] + largest[1])) + 8;
        return Math.Max(largest[0], largest[1]) > MaxElements || factors > MaxElements ? long.MaxValue : (long)(4 * floats);
    }

    /// <summary>Takes more rows while they fit the budget, give threads more to do and leave enough slabs for all multiprocessors.</summary>
    private static SlabPlan Grow(SlabProblem problem, ImmutableArray<int> order, long columns, long budget, long limit, int processors)
    {
        long columnTiles = (problem.Inner + columns - 1) / columns;
        long rows = 1;
        while (2 * rows <= problem.Outer
            && Bytes(problem, order, 2 * rows, columns) <= budget
            && new SlabPlan(problem, order, (int)(2 * rows), (int)columns, 0).LargestLength() <= TargetElements
            && (problem.Outer + (2 * rows) - 1) / (2 * rows) * (double)columnTiles >= 2.0 * processors)
        {
            rows *= 2;
        }

        var plan = new SlabPlan(problem, order, (int)rows, (int)columns, 0);
        long items = Enumerable.Range(0, order.Length).Max(stage => WarpItems(problem.Modes[order[stage]], plan.Fibres(stage), 4));
        bool alone = Bytes(problem, order, rows, columns) > limit / 2;
        return plan with { Threads = alone && items >= 12 ? 384 : items >= 8 ? 256 : 128 };
    }

    /// <summary>Pairs of outer and inner index of a stage's mode product.</summary>
    public long Fibres(int stage)
    {
        long elements = 1;
        foreach (int length in Lengths(stage))
        {
            elements *= length;
        }

        return elements / Problem.Modes[Order[stage]].In;
    }

    private long LargestLength() =>
        Enumerable.Range(0, Order.Length + 1).Max(stages => Lengths(stages).Aggregate(1L, (product, length) => product * length));
}
