using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// All modes of a Kronecker product in one pass by Hopper's own instructions (kernels/kronecker/wgmma_modes.cu). Steps that
/// <see cref="WgmmaModesShape"/> rejects go to the portable kernels when they are compiled; runs whose addresses miss 16 bytes go there too. A
/// generated core is written to the workspace first, in 16 bits: the generator takes all of the device's issue slots, so it runs alone.
/// </summary>
internal sealed class WgmmaModesLauncher : CompiledStep
{
    // The shapes that are compiled ahead of time: modes of 16 with ranks of 8 and 16, and those of N or K = 14336.
    private static readonly (int[] Features, int[] Ranks)[] UsualModes =
        [([16, 16, 16], [8, 8, 8]), ([16, 16, 16], [16, 16, 16]), ([28, 32, 16], [8, 8, 8])];

    private readonly KroneckerStep step;
    private readonly WgmmaModesShape shape;
    private readonly KroneckerLauncher? portable;
    private readonly CudaKernel kernel;
    private readonly FillRandomLauncher? core;
    private readonly TensorMapSource input;
    private readonly TensorMapSource output;
    private readonly TensorMapSource? added;
    private readonly WgmmaModesFactors factors;
    private readonly Arguments prepared;
    private readonly uint blocks;
    private readonly bool overlaps;

    private WgmmaModesLauncher(CudaDevice device, KroneckerStep step, WgmmaModesShape shape)
    {
        this.step = step;
        this.shape = shape;
        portable = step.TransposedOutput ? null : new KroneckerLauncher(device, step);
        kernel = device.Kernels.Load(Request(shape));
        kernel.AllowSharedMemory(shape.SharedBytes);
        core = step.Core is null ? null : new FillRandomLauncher(device, Fill(step.Core, shape.DType));
        PrimaryContext context = device.Context;
        input = new TensorMapSource(context, shape.DType, (shape.RestIn, shape.In[0], step.Outer), (64, shape.InPadded, shape.PassTokens));
        output = step.TransposedOutput ? Transposed(context) : new TensorMapSource(
            context, shape.DType, (shape.RestOut, shape.Out[0], step.Outer), (64, shape.OutPadded, shape.StoreTokens));
        added = step.AddTo is null ? null : Transposed(context);
        long tokenTiles = shape.TokenTiles(step.Outer);
        int processors = device.Traits.Processors;
        // Blocks that write transposed rows keep to one tile of the factor's rows.
        blocks = (uint)Math.Min(step.TransposedOutput ? Math.Max(1, processors / shape.RowTiles) * shape.RowTiles : processors, tokenTiles * shape.RowTiles);
        // An early start places blocks wherever a multiprocessor falls free. Measured: it saves 1 to 2 µs where rows go out or blocks have few tiles, and costs 5 to 30 at
        // 11008 rows, where blocks that share their input drift apart.
        overlaps = !step.TransposedOutput || tokenTiles * shape.RowTiles <= WgmmaModesShape.FewTiles * blocks;
        factors = new WgmmaModesFactors(context, step, shape);
        prepared = Prepare(step, shape);
    }

    /// <summary>The kernels of the usual shapes; others are compiled when they are first met.</summary>
    public static IEnumerable<KernelRequest> Variants => (
        from dtype in new[] { DType.BFloat16, DType.Float16 }
        from modes in UsualModes
        from step in UsualSteps(dtype, modes.Features, modes.Ranks)
        from prepared in new PreparedFactors?[] { null, new PreparedFactors(step.Output, step.Output) }
        select Request(WgmmaModesShape.Choose(step with { Prepared = prepared }, DeviceTraits.H100, out _)!)).Distinct();

    /// <inheritdoc/>
    public override long WorkspaceBytes => Math.Max(portable?.WorkspaceBytes ?? 0, core is null ? 0 : checked(step.Outer * step.In * shape.DType.Size()));

    /// <inheritdoc/>
    public override int Launches => core is null ? 1 : 2;

    /// <inheritdoc/>
    public override string Description => $"wgmma_modes ({shape}, {blocks} blocks){(core is null ? "" : $" after {core.Description}")}";

    /// <summary>The launcher for a step: this one, or the portable one with the reason in its description.</summary>
    /// <exception cref="NotSupportedException">The output is to be transposed, and this kernel cannot do it.</exception>
    public static CompiledStep Create(CudaDevice device, KroneckerStep step)
    {
        WgmmaModesShape? shape = WgmmaModesShape.Choose(step, device.Traits, out string rejection);
        if (shape is not null && TensorMapSource.IsSupported(device.Context.Driver))
        {
            return new WgmmaModesLauncher(device, step, shape);
        }

        bool hopper = device.Traits.Architecture == WgmmaProductRules.Architecture;
        return new KroneckerLauncher(device, step, !hopper ? null : shape is null ? rejection : "a driver without cuTensorMapEncodeTiled");
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The input of a transposed product misses 16 bytes.</exception>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        nint from = addresses[step.Input?.Slot ?? Step.WorkspaceSlot], to = addresses[step.Output.Slot];
        nint addition = ProductKernels.At(addresses, step.AddTo);
        if (!TensorMapSource.Suits(step.TransposedOutput ? from : from | to))
        {
            RunPortable(addresses, stream);
            return;
        }

        core?.Run(addresses, stream);
        bool wide = TensorMapSource.Suits(to | addition);
        Arguments arguments = prepared;
        arguments.Input = input.At(from);
        arguments.Output = wide ? output.At(to) : default;
        arguments.Added = wide && added is not null ? added.At(addition) : default;
        arguments.Transposed = to;
        arguments.Add = addition;
        arguments.Wide = wide ? 1 : 0;
        factors.Bind(ref arguments, addresses);
        kernel.Launch(arguments, (blocks, 1, 1), WgmmaModesShape.Threads, shape.SharedBytes, stream, overlaps);
    }

    /// <summary>The kernel of a shape.</summary>
    internal static KernelRequest Request(WgmmaModesShape shape) =>
        new("kronecker/wgmma_modes.cu", "wgmma_modes", shape.Options) { OnlyFor = WgmmaProductRules.Target, ArgumentBytes = Unsafe.SizeOf<Arguments>() };

    private static IEnumerable<KroneckerStep> UsualSteps(DType dtype, int[] features, int[] ranks)
    {
        var source = new RandomSource(0, Distribution.Normal);
        Operand operand = new(1, dtype);
        long length = features.Aggregate(1L, (product, f) => product * f), rank = ranks.Aggregate(1L, (product, r) => product * r);
        var contract = new KroneckerStep(operand, operand, 8192, 1, [.. features.Zip(ranks, (f, r) => new KroneckerMode(1, f, r, true))], source) { Label = "P" };
        KroneckerStep expand = contract with { Modes = [.. features.Zip(ranks, (f, r) => new KroneckerMode(1, f, r, false))], TransposedOutput = true };
        return
        [
            contract,
            expand with { Outer = rank },
            expand with { Outer = length },
            expand with { Outer = length, AddTo = operand },
        ];
    }

    // In units, as the factors are; alpha has the magnitude.
    private static FillRandomStep Fill(CoreSource core, DType dtype) =>
        new(new Operand(Step.WorkspaceSlot, dtype), core) { Label = "core", Scale = 1 / core.Source.Distribution.Unit };

    private TensorMapSource Transposed(PrimaryContext context) => new(
        context, shape.DType, (step.Outer, shape.Out[0], shape.RestOut), shape.Unit, (shape.RestOut * step.Outer, step.Outer));

    private void RunPortable(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        if (portable is null)
        {
            throw new InvalidOperationException($"{step.Label}: the input of a transposed product must start at a multiple of {TensorMapSource.Alignment} bytes; scratch does.");
        }

        portable.Run(addresses, stream);
    }

    /// <summary>What the kernel's argument holds whatever the addresses are.</summary>
    internal static Arguments Prepare(KroneckerStep step, WgmmaModesShape shape)
    {
        // Factors in units.
        double unit = step.Factors.Distribution.Unit, coreUnit = step.Core?.Source.Distribution.Unit ?? 1;
        double restScale = step.RestScale;
        var arguments = new Arguments
        {
            Factors = new RandomSourceArguments(step.Factors, 0).InUnits,
            Stride = step.Outer,
            Tokens = (int)step.Outer,
            TokenTiles = shape.TokenTiles(step.Outer),
            RestScale = (float)restScale,
            Alpha = (float)(step.Alpha * coreUnit * Math.Pow(unit, step.Modes.Length) / restScale),
        };
        for (int m = 0; m < step.Modes.Length; m++)
        {
            arguments.Modes[m] = new Mode { Stream = step.Modes[m].Stream, Contract = step.Modes[m].Contract ? 1 : 0 };
        }

        return arguments;
    }

    /// <summary>The layout of <c>tera::ModeArguments</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Mode
    {
        public uint Stream;
        public int Contract;
        public nint Scale;
    }

    /// <summary>The modes of <see cref="Arguments"/>.</summary>
    [InlineArray(WgmmaModesShape.MaxModes)]
    internal struct ModeTable
    {
        private Mode first;
    }

    /// <summary>The layout of <c>tera::ModesArguments</c>.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 768)]
    internal struct Arguments
    {
        public TensorMap Input;
        public TensorMap Output;
        public TensorMap Added;
        public TensorMap Rest;
        public RandomSourceArguments Factors;
        public ModeTable Modes;
        public nint Transposed;
        public nint Add;
        public long Stride;
        public int Tokens;
        public int TokenTiles;
        public int Wide;
        public int Group;
        public float RestScale;
        public float Alpha;
        public nint RowScale;
        public nint ColumnScale;
        public nint RowPartial;
        public nint ColumnPartial;
        public nint First;
    }
}
