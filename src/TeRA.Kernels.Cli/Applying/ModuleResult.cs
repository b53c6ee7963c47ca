namespace TeRA.Kernels.Cli.Applying;

/// <summary>What one module gave: named tensors on the host, and what ran.</summary>
internal sealed record ModuleResult(string Module, string Summary, IReadOnlyList<(string Name, Tensor Tensor)> Tensors);
