namespace TeRA.Kernels;

/// <summary>A file (safetensors, adapter folder, checkpoint index) breaks a rule of its format. Nothing of it was used.</summary>
public sealed class FileFormatException : TeraException
{
    /// <summary>An error without text.</summary>
    public FileFormatException()
    {
    }

    /// <summary>What is wrong.</summary>
    public FileFormatException(string message)
        : base(message)
    {
    }

    /// <summary>What is wrong, with its cause.</summary>
    public FileFormatException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }

    /// <summary>The broken rule of <paramref name="path"/>, its kind, and the words for people.</summary>
    public FileFormatException(string path, string rule, string message)
        : base($"{path}: {message}")
    {
        Path = path;
        Rule = rule;
    }

    /// <summary>The file.</summary>
    public string? Path { get; }

    /// <summary>A stable name of the broken rule, for programs: <c>duplicate-key</c>, <c>header-too-large</c>, <c>shape-mismatch</c> …</summary>
    public string? Rule { get; }
}
