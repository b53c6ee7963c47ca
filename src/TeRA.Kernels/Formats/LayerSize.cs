using System.Globalization;

namespace TeRA.Kernels;

/// <summary>The size of a linear layer: N output features by K input features, as adapter files key their table of shapes.</summary>
/// <param name="OutFeatures">N, the rows of the weight.</param>
/// <param name="InFeatures">K, its columns.</param>
public readonly record struct LayerSize(long OutFeatures, long InFeatures)
{
    /// <summary>Reads <c>NxK</c>: two integers from 1, without signs or leading zeros.</summary>
    public static bool TryParse(string text, out LayerSize size)
    {
        ArgumentNullException.ThrowIfNull(text);
        size = default;
        int cross = text.IndexOf('x', StringComparison.Ordinal);
        if (cross < 0
            || !long.TryParse(text.AsSpan(0, cross), NumberStyles.None, CultureInfo.InvariantCulture, out long outFeatures)
            || !long.TryParse(text.AsSpan(cross + 1), NumberStyles.None, CultureInfo.InvariantCulture, out long inFeatures))
        {
            return false;
        }

        size = new LayerSize(outFeatures, inFeatures);
        return outFeatures > 0 && inFeatures > 0 && size.ToString() == text;
    }

    /// <summary><c>NxK</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{OutFeatures}x{InFeatures}");
}
