namespace TeRA.Kernels.Cli.Applying;

/// <summary>What <c>tera apply</c> was asked for.</summary>
/// <param name="Base">safetensors with <c>m.weight</c> [N,K] and perhaps <c>m.bias</c> [N].</param>
/// <param name="Adapter">Adapter folder.</param>
/// <param name="Input">safetensors with <c>m.x</c> […,K], and <c>m.dy</c> […,N] for gradients.</param>
/// <param name="Output">Where results go.</param>
/// <param name="Gradients">Also dx and the gradient of every trained vector.</param>
/// <param name="Path">Forced path, or auto.</param>
/// <param name="Force">Replace an existing output.</param>
internal sealed record ApplyOptions(string Base, string Adapter, string Input, string Output, bool Gradients, ExecutionPath Path, bool Force);
