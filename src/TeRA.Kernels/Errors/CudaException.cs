namespace TeRA.Kernels;

/// <summary>A call of the CUDA driver failed, and the context survived it. Fatal errors are <see cref="DeviceLostException"/>.</summary>
public sealed class CudaException : TeraException
{
    /// <summary>An error without text.</summary>
    public CudaException()
    {
    }

    /// <summary>An error with a text of the caller's own.</summary>
    public CudaException(string message)
        : base(message)
    {
    }

    /// <summary>An error with its cause.</summary>
    public CudaException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }

    /// <summary>What the driver answered to <paramref name="call"/>.</summary>
    /// <param name="call">The driver's function, for example <c>cuMemAlloc_v2</c>.</param>
    /// <param name="code">The <c>CUresult</c>.</param>
    /// <param name="name">The driver's name of the code, for example <c>CUDA_ERROR_OUT_OF_MEMORY</c>.</param>
    /// <param name="description">The driver's words for it.</param>
    /// <param name="detail">What the library knows beside: sizes asked for, what to do.</param>
    public CudaException(string call, int code, string name, string description, string? detail = null)
        : base($"{call} failed with {code} ({name}): {description}.{(detail is null ? string.Empty : " " + detail)}")
    {
        Call = call;
        Code = code;
        Name = name;
        Description = description;
    }

    /// <summary>The driver's function that failed.</summary>
    public string? Call { get; }

    /// <summary>The <c>CUresult</c>; 0 when the error did not come from a call.</summary>
    public int Code { get; }

    /// <summary>The driver's name of the code.</summary>
    public string? Name { get; }

    /// <summary>The driver's words for the code.</summary>
    public string? Description { get; }
}
