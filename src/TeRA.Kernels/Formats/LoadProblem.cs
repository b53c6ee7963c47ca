namespace TeRA.Kernels;

/// <summary>One thing that doesn't fit.</summary>
/// <param name="Rule">Its kind: a name of <see cref="FileRule"/>.</param>
/// <param name="Name">The tensor or module.</param>
/// <param name="Message">What was expected, what was found.</param>
public sealed record LoadProblem(string Rule, string Name, string Message);
