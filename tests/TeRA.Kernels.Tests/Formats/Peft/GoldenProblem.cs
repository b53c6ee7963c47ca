using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Formats.Peft;

/// <summary>The problems that PEFT solved, as the golden folders hold them.</summary>
internal static class GoldenProblem
{
    /// <summary>A module's problem: the base and the activations of the golden folder, the adapter's values as they were read.</summary>
    public static LayerData Read(Checkpoint model, SafetensorsFile io, AdapterBinding binding, AdapterModule module)
    {
        double[] x = Doubles(io, module.Name + ".x");
        return new LayerData
        {
            Update = module.Update,
            DType = DType.Float32,
            Tokens = x.Length / module.Update.InFeatures,
            OutFeatures = module.Update.OutFeatures,
            InFeatures = module.Update.InFeatures,
            Weight = Doubles(model.FileOf(module.Name + ".weight"), module.Name + ".weight"),
            Bias = Doubles(model.FileOf(module.Name + ".bias"), module.Name + ".bias"),
            X = x,
            OutputGradient = Doubles(io, module.Name + ".dy"),
            Trained = [.. Enumerable.Range(0, module.TensorNames.Length).Select(i => Doubles(module.ReadTrained(i)))],
            Stored = binding.Projection is { } bases ? [Doubles(bases.A.Values), Doubles(bases.B.Values)] : [],
        };
    }

    /// <summary>What PEFT computed.</summary>
    public static LayerValues Theirs(SafetensorsFile io, AdapterModule module, ExecutionPath path) => new()
    {
        Path = path,
        Delta = Doubles(io, module.Name + ".delta"),
        Y = Doubles(io, module.Name + ".y"),
        InputGradient = Doubles(io, module.Name + ".dx"),
        Gradients = [.. module.TensorNames.Select(name => Doubles(io, "grad:" + name))],
    };

    private static double[] Doubles(SafetensorsFile file, string name) => Doubles(file.ReadSingles(name));

    private static double[] Doubles(float[] values) => Array.ConvertAll(values, value => (double)value);
}
