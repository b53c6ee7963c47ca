using TeRA.Kernels.Planning;

namespace TeRA.Kernels;

/// <summary>A layer with a certain set of its adapters enabled: where its tensors are, and the plans compiled for it so far.</summary>
/// <param name="device">Where the layer is.</param>
/// <param name="problem">The layer with these updates, for one token.</param>
/// <param name="addresses">W0, b, and the tensors of the enabled adapters.</param>
internal sealed class LayerConfiguration(Device device, LayerProblem problem, LayerAddresses addresses)
{
    private readonly Lock gate = new();
    private readonly Dictionary<ProgramKey, LayerProgram> programs = [];
    private readonly Dictionary<LayerProgram, LayerProgram> backwards = [];
    private CompiledPass? buildDelta;
    private CompiledPass? buildWeight;

    /// <summary>Where everything that a pass binds is.</summary>
    public LayerAddresses Addresses => addresses;

    /// <summary>Whether an adapter is enabled.</summary>
    public bool HasUpdate => !problem.Updates.IsEmpty;

    /// <summary>The plan for a number of tokens, compiled.</summary>
    public LayerProgram Program(long tokens, bool training, bool inputGradient, ExecutionPath path)
    {
        var key = new ProgramKey(tokens, training, inputGradient, path);
        lock (gate)
        {
            if (!programs.TryGetValue(key, out LayerProgram? program))
            {
                program = new LayerProgram(device, Problem(key));
                programs.Add(key, program);
            }

            return program;
        }
    }

    /// <summary>The backward that reads what a forward kept: the one planned with it, or one of its own where dX is wanted, or not, against what the context said.</summary>
    public LayerProgram BackwardOf(LayerProgram forward, bool inputGradient)
    {
        if (forward.Plan.Problem.NeedInputGradient == inputGradient)
        {
            return forward;
        }

        lock (gate)
        {
            if (!backwards.TryGetValue(forward, out LayerProgram? other))
            {
                other = new LayerProgram(device, LayerPlanner.WithInputGradient(forward.Plan, inputGradient));
                backwards.Add(forward, other);
            }

            return other;
        }
    }

    /// <summary>The pass that writes W0 + Σ α·ΔW, or the sum alone.</summary>
    public CompiledPass Build(bool withBase)
    {
        lock (gate)
        {
            return withBase ? buildWeight ??= Compile(true) : buildDelta ??= Compile(false);
        }
    }

    private CompiledPass Compile(bool withBase) =>
        new(device, LayerPlanner.Build(Problem(new ProgramKey(1, false, false, ExecutionPath.Auto)), device.Traits, withBase));

    private LayerProblem Problem(ProgramKey key) => problem with
    {
        Tokens = key.Tokens,
        NeedInputGradient = key.Training && key.InputGradient,
        NeedParameterGradients = key.Training && (HasUpdate || problem.TrainBias),
        Path = key.Path,
    };

    private readonly record struct ProgramKey(long Tokens, bool Training, bool InputGradient, ExecutionPath Path);
}
