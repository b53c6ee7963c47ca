namespace TeRA.Kernels;

/// <summary>What a merge did to one weight.</summary>
/// <param name="Module">The module.</param>
/// <param name="Size">The weight's size.</param>
/// <param name="DType">Its dtype.</param>
/// <param name="Changed">Weights that are other numbers than before; a 16-bit weight can swallow a small change.</param>
/// <param name="LargestDelta">The largest |α·ΔW|.</param>
/// <param name="LargestRounding">The largest |W − (W0 + α·ΔW)|.</param>
/// <param name="RelativeRounding">‖W − (W0 + α·ΔW)‖ / ‖α·ΔW‖, Frobenius norms; 1 and more means that the update is lost in the weight's dtype.</param>
public sealed record MergedLayer(string Module, LayerSize Size, DType DType, long Changed, double LargestDelta, double LargestRounding, double RelativeRounding)
{
    /// <summary>Weights of the layer.</summary>
    public long Count => Size.OutFeatures * Size.InFeatures;
}
