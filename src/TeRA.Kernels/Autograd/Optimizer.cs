namespace TeRA.Kernels;

/// <summary>Updates a list of parameters in one step over all of them.</summary>
public abstract class Optimizer : IDisposable
{
    /// <summary>η. Setting it writes to the device at once, so that a replayed CUDA graph uses it.</summary>
    public float LearningRate
    {
        get => throw new NotImplementedException();
        set => throw new NotImplementedException();
    }

    /// <summary>One update of every parameter.</summary>
    public void Step(StreamHandle stream = default) => throw new NotImplementedException();

    /// <summary>Sets all gradients to zero.</summary>
    public void ZeroGradients(StreamHandle stream = default) => throw new NotImplementedException();

    /// <inheritdoc/>
    public void Dispose() => GC.SuppressFinalize(this);
}
