using System.Collections.Immutable;

namespace TeRA.Kernels.Cuda;

/// <summary>One variant of one kernel: what to compile and which entry to take.</summary>
/// <param name="File">The file, relative to <c>kernels/</c>, with forward slashes.</param>
/// <param name="Entry">The <c>extern "C"</c> name of the kernel.</param>
/// <param name="Options">Options such as <c>-DTERA_DTYPE=1</c>, in a fixed order: another order is another variant.</param>
internal sealed record KernelRequest(string File, string Entry, ImmutableArray<string> Options)
{
    /// <summary>The one target that this kernel is written for, for example <c>sm_90a</c>; null for a portable kernel.</summary>
    public string? OnlyFor { get; init; }

    /// <summary>Size of the C# twin of the kernel's argument struct, which the tests compare with the compiled kernel; 0 where it isn't told.</summary>
    public int ArgumentBytes { get; init; }

    /// <summary>Whether the kernel exists for <paramref name="architecture"/>.</summary>
    public bool IsFor(string architecture) => OnlyFor is null || OnlyFor == architecture;

    /// <summary>Equal when file, entry and every option are.</summary>
    public bool Equals(KernelRequest? other) =>
        other is not null && File == other.File && Entry == other.Entry && Options.AsSpan().SequenceEqual(other.Options.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = default(HashCode);
        hash.Add(File);
        hash.Add(Entry);
        foreach (string option in Options)
        {
            hash.Add(option);
        }

        return hash.ToHashCode();
    }

    /// <inheritdoc/>
    public override string ToString() => Options.IsEmpty ? $"{Entry} ({File})" : $"{Entry} ({File} {string.Join(' ', Options)})";
}
