using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cuda;

/// <summary>Where a launch of kernels/kronecker/wgmma_modes.cu finds its factors: in memory, or their scales alone.</summary>
/// <param name="context">Whose memory it is.</param>
/// <param name="step">The product.</param>
/// <param name="shape">How its kernel is built.</param>
internal sealed class WgmmaModesFactors(PrimaryContext context, KroneckerStep step, WgmmaModesShape shape)
{
    private readonly TensorMapSource? rest = !shape.Prepared ? null : new TensorMapSource(
        context, shape.DType, (shape.RestIn, shape.RestOut, 0), (WgmmaProductRules.TileK, shape.FactorRows, 0));

    /// <summary>Writes the addresses.</summary>
    /// <exception cref="InvalidOperationException">Prepared factors miss 16 bytes.</exception>
    public void Bind(ref WgmmaModesLauncher.Arguments arguments, ReadOnlySpan<nint> addresses)
    {
        if (rest is null)
        {
            for (int m = 0; m < step.ModeScales.Length; m++)
            {
                arguments.Modes[m].Scale = addresses[step.ModeScales[m].Slot];
            }

            return;
        }

        PreparedFactors prepared = step.Prepared!.Value;
        nint at = addresses[prepared.Rest.Slot];
        if (!TensorMapSource.Suits(at))
        {
            throw new InvalidOperationException($"{step.Label}: prepared factors must start at multiples of {TensorMapSource.Alignment} bytes; scratch does.");
        }

        arguments.Rest = rest.At(at);
        arguments.First = addresses[prepared.First.Slot];
    }
}
