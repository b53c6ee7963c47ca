using TeRA.Kernels.Steps;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Support;

/// <summary>A step over and over while another stream keeps the device's memory busy: a race, or an order that is left to chance, shows as other bits.</summary>
internal static class Repeats
{
    private const int Count = 1000;
    private const long BusyElements = 1 << 24;

    /// <summary>A thousand runs leave the same bits in <paramref name="outputs"/>, which are set back before each.</summary>
    public static void Assert(CudaDevice device, StepRunner run, Step step, params Operand[] outputs)
    {
        run.Reset();
        run.Run(step);
        byte[][] first = Read(run, outputs);
        CompiledStep compiled = device.Compile(step);
        using Tensor workspace = device.Allocate(DType.BFloat16, (compiled.WorkspaceBytes / 2) + 1), busy = device.Allocate(DType.BFloat16, BusyElements);
        using CudaStream other = device.CreateStream();
        nint[] addresses = [workspace.Address, .. Enumerable.Range(1, run.Slots).Select(run.AddressOf)];
        for (int i = 0; i < Count; i++)
        {
            run.Reset();
            busy.Clear(other);
            compiled.Run(addresses, default);
            foreach ((byte[] actual, byte[] expected) in Read(run, outputs).Zip(first))
            {
                Check.That(Comparer.SameBits("output", actual, expected), $"run {i} of {run.Description}");
            }
        }
    }

    private static byte[][] Read(StepRunner run, Operand[] outputs) => [.. outputs.Select(output => run.ReadBytes(output.Slot))];
}
