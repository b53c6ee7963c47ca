namespace TeRA.Kernels.Tests.Mutants;

/// <summary>A mistake of an adapter's reader or writer, planted in the file: what the mistaken one would have read instead, or written.</summary>
/// <param name="Name">What is wrong, in words.</param>
/// <param name="Origin">The adapter that must expose it.</param>
/// <param name="Alter">Makes the mistake.</param>
internal sealed record FileMutant(string Name, string Origin, Action<AdapterFile> Alter)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Origin}, {Name}";
}
