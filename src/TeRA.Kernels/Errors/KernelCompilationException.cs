using System.Collections.Immutable;

namespace TeRA.Kernels;

/// <summary>NVRTC refused a kernel. Carries all that is needed to see why: status, options, log and a copy of the sources on disk.</summary>
public sealed class KernelCompilationException : TeraException
{
    /// <summary>An error without text.</summary>
    public KernelCompilationException()
    {
    }

    /// <summary>An error with a text of the caller's own.</summary>
    public KernelCompilationException(string message)
        : base(message)
    {
    }

    /// <summary>An error with its cause.</summary>
    public KernelCompilationException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }

    /// <summary>What NVRTC said about <paramref name="file"/>.</summary>
    /// <param name="file">The kernel's file below <c>kernels/</c>.</param>
    /// <param name="status">NVRTC's name of the failure, for example <c>NVRTC_ERROR_COMPILATION</c>.</param>
    /// <param name="options">Every option given to NVRTC.</param>
    /// <param name="log">NVRTC's log.</param>
    /// <param name="dump">The folder that the sources were written to; null where that failed too.</param>
    public KernelCompilationException(string file, string status, ImmutableArray<string> options, string log, string? dump)
        : base($"kernels/{file} does not compile: {status}. Options: {string.Join(' ', options)}. Sources: {dump ?? "could not be written"}.\n{log}")
    {
        File = file;
        Status = status;
        Options = options;
        Log = log;
        Dump = dump;
    }

    /// <summary>The kernel's file below <c>kernels/</c>.</summary>
    public string? File { get; }

    /// <summary>NVRTC's name of the failure.</summary>
    public string? Status { get; }

    /// <summary>Every option given to NVRTC.</summary>
    public ImmutableArray<string> Options { get; } = [];

    /// <summary>NVRTC's log.</summary>
    public string? Log { get; }

    /// <summary>The folder that holds the source and the headers as NVRTC saw them.</summary>
    public string? Dump { get; }
}
