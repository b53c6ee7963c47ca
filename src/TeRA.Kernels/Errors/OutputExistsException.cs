namespace TeRA.Kernels;

/// <summary>A file stands where one is to be written, and the caller didn't allow to replace it. Nothing was written.</summary>
public sealed class OutputExistsException : IOException
{
    /// <summary>An error without text.</summary>
    public OutputExistsException()
    {
    }

    /// <summary>What is there, and what to do.</summary>
    public OutputExistsException(string message)
        : base(message)
    {
    }

    /// <summary>An error with its cause.</summary>
    public OutputExistsException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}
