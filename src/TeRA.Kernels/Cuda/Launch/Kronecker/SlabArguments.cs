using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// Turns a <see cref="SlabPlan"/> into the numbers that the kernel reads: buffers, layouts, strides, granules. A pure function of the plan.
/// The input slab of stage i lies in buffer i mod 2, its output in the other one; the factors lie behind both.
/// </summary>
internal sealed class SlabArguments
{
    private readonly SlabPlan plan;
    private readonly int[][] lengths;
    private readonly SlabLayoutChoice[] layouts;
    private readonly int[] buffers;

    /// <summary>Chooses the layouts.</summary>
    public SlabArguments(SlabPlan plan)
    {
        this.plan = plan;
        int stages = plan.Order.Length;
        lengths = [.. Enumerable.Range(0, stages + 1).Select(plan.Lengths)];
        layouts = [.. Enumerable.Range(0, stages + 1).Select(i => SlabLayoutChoice.Best(lengths[i], Accesses(i)))];
        int[] sizes = [Largest(0), Largest(1)];
        buffers = [0, sizes[0]];
        FactorStart = sizes[0] + sizes[1];
        SharedBytes = 4 * (FactorStart + (int)plan.Problem.Modes.Sum(SlabPlan.FactorFloats));
    }

    /// <summary>Dynamic shared memory of a block.</summary>
    public int SharedBytes { get; }

    /// <summary>Where the factors begin, in floats.</summary>
    public int FactorStart { get; }

    /// <summary>The layouts of the input slab, of those between the modes, and of the output slab.</summary>
    public IReadOnlyList<SlabLayoutChoice> Layouts => layouts;

    /// <summary>Everything but addresses, scale and alpha; global accesses by vectors where the shape allows it.</summary>
    public KroneckerSlabArguments Build(RandomSource factors)
    {
        SlabProblem problem = plan.Problem;
        long columnTiles = DivideUp(problem.Inner, plan.TileColumns);
        var arguments = new KroneckerSlabArguments
        {
            Factors = new RandomSourceArguments(factors, 0),
            Outer = problem.Outer,
            Inner = problem.Inner,
            Slabs = checked(DivideUp(problem.Outer, plan.TileRows) * columnTiles),
            ColumnTiles = columnTiles,
            TileRows = (uint)plan.TileRows,
            TileColumns = (uint)plan.TileColumns,
            StageCount = (uint)plan.Order.Length,
            Source = Side(0, vectors: true),
            Target = Side(plan.Order.Length, vectors: true),
        };
        int factor = FactorStart;
        for (int i = 0; i < plan.Order.Length; i++)
        {
            arguments.Stages[i] = Stage(i, factor);
            factor += (int)SlabPlan.FactorFloats(Mode(i));
        }

        return arguments;
    }

    /// <summary>The input's side (boundary 0) or the output's (the last boundary), by vectors or by single elements.</summary>
    public SlabSideArguments Side(int boundary, bool vectors)
    {
        SlabProblem problem = plan.Problem;
        int group = lengths[boundary].Skip(1).SkipLast(1).Aggregate(1, (product, length) => product * length);
        bool whole = plan.TileColumns == problem.Inner;
        int runs = whole ? 1 : plan.TileRows * group;
        int length = whole ? plan.TileRows * group * plan.TileColumns : plan.TileColumns;
        int width = Width(boundary);
        long unit = whole ? group * problem.Inner : problem.Inner;
        bool possible = vectors && unit % width == 0 && length % width == 0;
        bool generated = boundary == 0 && problem.Input is null;
        // Generator blocks that reach into a run when it begins anywhere within one.
        int granules = possible ? length / width : generated ? (length + (2 * (width - 1))) / width : length;
        return new SlabSideArguments
        {
            Stride = problem.Inner,
            Group = (uint)group,
            Runs = (uint)runs,
            Length = (uint)length,
            Buffer = (uint)buffers[boundary % 2],
            Granules = new Divisor(granules),
            Layout = new SlabLayoutArguments(layouts[boundary]),
            Vectors = possible ? 1u : 0u,
            Quads = possible && layouts[boundary].KeepsQuads ? 1u : 0u,
        };
    }

    private static long DivideUp(long value, long unit) => (value + unit - 1) / unit;

    private static int Product(ReadOnlySpan<int> lengths)
    {
        int product = 1;
        foreach (int length in lengths)
        {
            product *= length;
        }

        return product;
    }

    private KroneckerMode Mode(int stage) => plan.Problem.Modes[plan.Order[stage]];

    /// <summary>Elements of one granule at a boundary: 16 bytes of the tensor, or a generator block.</summary>
    private int Width(int boundary)
    {
        DType? dtype = boundary == 0 ? plan.Problem.Input : plan.Problem.Output;
        return 16 / (dtype?.Size() ?? 4);
    }

    private int Largest(int parity) => Enumerable.Range(0, lengths.Length).Where(i => i % 2 == parity).Max(i => layouts[i].Floats(Product(lengths[i])));

    /// <summary>Elements behind each entry of the mode of a stage; the same before and after the stage.</summary>
    private int Trailing(int stage) => Product(lengths[stage].AsSpan(plan.Order[stage] + 2));

    private KroneckerStage Stage(int stage, int factor)
    {
        KroneckerMode mode = Mode(stage);
        int trailing = Trailing(stage);
        long fibres = plan.Fibres(stage);
        return new KroneckerStage
        {
            Stream = mode.Stream,
            In = (uint)mode.In,
            Out = (uint)mode.Out,
            Contract = mode.Contract ? 1u : 0u,
            Fibres = (uint)fibres,
            Trailing = new Divisor(trailing),
            InStride = (uint)layouts[stage].Stride(trailing),
            OutStride = (uint)layouts[stage + 1].Stride(trailing),
            InLayout = new SlabLayoutArguments(layouts[stage]),
            OutLayout = new SlabLayoutArguments(layouts[stage + 1]),
            Factor = (uint)factor,
            Pitch = (uint)SlabPlan.Pitch(mode),
            Source = (uint)buffers[stage % 2],
            Target = (uint)buffers[(stage + 1) % 2],
            PerThread = PerThread(mode, fibres),
        };
    }

    private uint PerThread(KroneckerMode mode, long fibres) => SlabPlan.WarpItems(mode, fibres, 4) >= plan.Threads / 32 ? 4u : 1u;

    /// <summary>Who touches the slab at a boundary: the mode before it or the load, and the mode after it or the store.</summary>
    private List<SlabAccess> Accesses(int boundary)
    {
        var accesses = new List<SlabAccess>();
        if (boundary > 0)
        {
            accesses.Add(Walk(boundary - 1, Mode(boundary - 1).Out, Mode(boundary - 1).Out));
        }

        if (boundary < plan.Order.Length)
        {
            KroneckerMode mode = Mode(boundary);
            accesses.Add(Walk(boundary, mode.In, mode.In * (SlabPlan.Pitch(mode) / SlabPlan.OutputsPerThread)));
        }

        if (boundary == 0 || boundary == plan.Order.Length)
        {
            int width = Width(boundary);
            accesses.Add(new SlabAccess(granule => granule * width, (int)DivideUp(Product(lengths[boundary]), width), width, 1));
        }

        return accesses;
    }

    private SlabAccess Walk(int stage, long length, double repeats)
    {
        int trailing = Trailing(stage);
        return new SlabAccess(fibre => fibre + (int)(fibre / trailing * (length - 1) * trailing), (int)plan.Fibres(stage), 1, repeats);
    }
}
