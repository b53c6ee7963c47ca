namespace TeRA.Kernels.Cli;

/// <summary>Options that parse one by one but make no sense together.</summary>
/// <param name="message">What was expected, what was found.</param>
internal sealed class UsageException(string message) : Exception(message);
