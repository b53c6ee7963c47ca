namespace TeRA.Kernels;

/// <summary>The base of this library's own errors. Wrong arguments are the framework's <see cref="ArgumentException"/> as usual.</summary>
public class TeraException : Exception
{
    /// <summary>An error without text.</summary>
    public TeraException()
    {
    }

    /// <summary>An error with a text that says what was expected, what was found and what to do.</summary>
    public TeraException(string message)
        : base(message)
    {
    }

    /// <summary>An error with its cause.</summary>
    public TeraException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}
