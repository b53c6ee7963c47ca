using TeRA.Kernels.Cli.Output;

namespace TeRA.Kernels.Cli.Commands;

/// <summary>What every command gets: where to write for people, whether a program listens on stdout, and the interrupt.</summary>
internal sealed record CommandContext(Terminal Terminal, bool Json, CancellationToken Cancellation);
