namespace TeRA.Kernels;

/// <summary>
/// The CUDA context is dead after an error that only a new process cures (illegal address, launch failure, device assert …).
/// Every later call throws this, with the first error; disposal stays silent.
/// </summary>
public sealed class DeviceLostException : TeraException
{
    /// <summary>An error without text.</summary>
    public DeviceLostException()
    {
    }

    /// <summary>The first error's text.</summary>
    public DeviceLostException(string message)
        : base(message)
    {
    }

    /// <summary>The first error itself.</summary>
    public DeviceLostException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}
