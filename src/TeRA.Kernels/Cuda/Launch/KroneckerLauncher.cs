using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// Runs a <see cref="KroneckerStep"/> by kernels/kronecker: as few launches as its slabs allow, large single modes each in one of their own.
/// Results between launches lie in the workspace in float32, in two halves by turns.
/// </summary>
internal sealed class KroneckerLauncher : CompiledStep
{
    private static readonly bool[] Booleans = [true, false];

    private readonly KroneckerStep step;
    private readonly ImmutableArray<KroneckerPassLauncher> passes;
    private readonly long half;

    /// <summary>Cuts the step into launches and compiles their kernels.</summary>
    /// <param name="device">Where it runs.</param>
    /// <param name="step">The step.</param>
    /// <param name="notOnHopper">On a Hopper GPU, why its own kernel does not run this step.</param>
    /// <exception cref="NotSupportedException">The output is to be transposed.</exception>
    public KroneckerLauncher(CudaDevice device, KroneckerStep step, string? notOnHopper = null)
    {
        NotOnHopper = notOnHopper;
        if (step.TransposedOutput)
        {
            throw new NotSupportedException($"{step.Label}: {device.Id} has no kernel that writes this product transposed{(NotOnHopper is null ? "" : $" ({NotOnHopper})")}.");
        }

        this.step = step;
        if (step.Outer == 0 || step.Inner == 0 || step.Out == 0)
        {
            passes = [];
            return;
        }

        ImmutableArray<KroneckerPass> plan = KroneckerPasses.Plan(step, device.Traits);
        passes = [.. plan.Select((pass, i) => Prepare(device, pass, i, plan.Length))];
        half = plan.SkipLast(1).Select(pass => checked(pass.Outer * pass.Out * pass.Inner * sizeof(float))).DefaultIfEmpty(0).Max();
        half = (half + 255) / 256 * 256;
    }

    /// <inheritdoc/>
    public override long WorkspaceBytes => Math.Min(2, Math.Max(0, passes.Length - 1)) * half;

    /// <inheritdoc/>
    public override int Launches => passes.Length;

    /// <inheritdoc/>
    public override string Description => passes.IsEmpty
        ? "kronecker: nothing"
        : string.Join(" + ", passes.Select(pass => pass.Description)) + (NotOnHopper is null ? "" : $", not wgmma_modes: {NotOnHopper}");

    private string? NotOnHopper { get; }

    /// <summary>Every variant of both kernels.</summary>
    public static IEnumerable<KernelRequest> Variants =>
        from slab in Booleans
        from input in ElementGrid.DTypes.Cast<DType?>().Append(null)
        from output in ElementGrid.DTypes
        select Request(slab, input, output);

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream)
    {
        for (int i = 0; i < passes.Length; i++)
        {
            bool first = i == 0, last = i == passes.Length - 1;
            nint input = !first ? Half(addresses, i - 1) : step.Input is { } operand ? addresses[operand.Slot] : 0;
            nint output = last ? addresses[step.Output.Slot] : Half(addresses, i);
            nint addTo = last && step.AddTo is { } added ? addresses[added.Slot] : 0;
            nint scale = first && step.InputScale is { } vector ? addresses[vector.Slot] : 0;
            passes[i].Run(input, output, addTo, scale, stream);
        }
    }

    /// <summary>The kernel for a pass.</summary>
    /// <param name="slab">Whether it is <c>kronecker_slab</c>.</param>
    /// <param name="input">Element type; null for the generated core.</param>
    /// <param name="output">Element type.</param>
    internal static KernelRequest Request(bool slab, DType? input, DType output)
    {
        int generated = ElementGrid.DTypes.Length;
        return new KernelRequest(
            slab ? "kronecker/slab.cu" : "kronecker/dense.cu",
            slab ? "kronecker_slab" : "kronecker_dense",
            [$"-DTERA_INPUT={(input is { } dtype ? (int)dtype : generated)}", $"-DTERA_OUTPUT={(int)output}"])
        {
            ArgumentBytes = slab ? Unsafe.SizeOf<KroneckerSlabArguments>() : Unsafe.SizeOf<KroneckerDenseArguments>(),
        };
    }

    private nint Half(ReadOnlySpan<nint> addresses, int pass) => addresses[Step.WorkspaceSlot] + (nint)(pass % 2 * half);

    private KroneckerPassLauncher Prepare(CudaDevice device, KroneckerPass pass, int index, int count)
    {
        DType? input = index > 0 ? DType.Float32 : step.Input?.DType;
        DType output = index < count - 1 ? DType.Float32 : step.Output.DType;
        CudaKernel kernel = device.Kernels.Load(Request(pass.Slab is not null, input, output));
        // Only the first launch reads the scale, and only the last one applies alpha.
        var common = new KroneckerPassLauncher.Common(
            index == 0 ? step.Core : null, step.Factors, new ScaleIndexArguments(step.Inner, step.In), index == count - 1 ? (float)step.Alpha : 1f);
        return pass.Slab is { } slab
            ? new SlabPassLauncher(kernel, slab, common, device.Traits)
            : new DensePassLauncher(kernel, pass, common);
    }
}
