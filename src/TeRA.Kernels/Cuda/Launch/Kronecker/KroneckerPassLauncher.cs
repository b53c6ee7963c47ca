namespace TeRA.Kernels.Cuda;

/// <summary>One launch of a Kronecker product, ready but for the addresses.</summary>
internal abstract class KroneckerPassLauncher
{
    /// <summary>Kernel and configuration.</summary>
    public abstract string Description { get; }

    /// <summary>Submits it; 0 stands for an absent operand.</summary>
    public abstract void Run(nint input, nint output, nint addTo, nint scale, StreamHandle stream);

    /// <summary>What launches of both kinds take from the step.</summary>
    /// <param name="Core">The generated input, if it is.</param>
    /// <param name="Factors">Where the factors come from.</param>
    /// <param name="ScaleIndex">How the scale lies along the input.</param>
    /// <param name="Alpha">Factor of this launch's result.</param>
    internal sealed record Common(Steps.CoreSource? Core, RandomSource Factors, ScaleIndexArguments ScaleIndex, float Alpha)
    {
        /// <summary>The core as the kernel takes it.</summary>
        public RandomSourceArguments CoreArguments => Core is null ? default : new RandomSourceArguments(Core);
    }
}
