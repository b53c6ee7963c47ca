namespace TeRA.Kernels;

/// <summary>Where random factors come from: with a stream number and an index it determines every element (factor format 1).</summary>
/// <param name="Seed">The generator's 64-bit key.</param>
/// <param name="Distribution">What the words are turned into.</param>
public readonly record struct RandomSource(ulong Seed, Distribution Distribution);
