namespace TeRA.Kernels;

/// <summary>The wanted device can't be used here: no driver, no card, no NVRTC. The text lists every library path tried.</summary>
public sealed class DeviceUnavailableException : TeraException
{
    /// <summary>An error without text.</summary>
    public DeviceUnavailableException()
    {
    }

    /// <summary>What is missing, and where it was looked for.</summary>
    public DeviceUnavailableException(string message)
        : base(message)
    {
    }

    /// <summary>What is missing, with the loader's own error.</summary>
    public DeviceUnavailableException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}
