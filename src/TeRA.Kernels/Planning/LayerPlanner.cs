using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Planning;

/// <summary>Pure functions from a layer problem and a device's traits to a plan: the steps of each candidate, of which <see cref="PathChoice"/> takes one.</summary>
internal static class LayerPlanner
{
    // Times the scratch without it: factors in memory, a two-hundredth of a matrix each, may lie where the numbers come.
    private const double ScratchOfEarly = 1.02;

    /// <summary>The plan of a layer.</summary>
    /// <exception cref="ArgumentException">The problem contradicts itself.</exception>
    public static LayerPlan Plan(LayerProblem problem, DeviceTraits traits)
    {
        Check(problem);
        if (problem.Tokens == 0)
        {
            return Empty(problem, traits);
        }

        if (problem.Updates.IsEmpty)
        {
            return Candidate(problem, traits, new LayerPaths(ExecutionPath.Plain)) with { Reasons = ["there is no update: the frozen layer alone"] };
        }

        return PathChoice.Of([.. PathChoice.Candidates(problem).Select(paths => Candidate(problem, traits, paths))]);
    }

    /// <summary>The same forward, and a backward that reads what this forward keeps, whether or not it was to give dX.</summary>
    public static LayerPlan WithInputGradient(LayerPlan plan, bool inputGradient)
    {
        LayerProblem problem = plan.Problem with { NeedInputGradient = inputGradient };
        LayerPass backward = problem is { Tokens: > 0, NeedBackward: true } ? Backward(problem, plan.Traits, plan.BackwardPath, KeptLayout.Of(plan), plan.Forward) : LayerPass.Empty;
        return new LayerPlan(problem, new LayerPaths(plan.Path, plan.BackwardPath), plan.Forward, backward, plan.Kept, plan.KeptBytes, plan.Traits) { Reasons = plan.Reasons };
    }

    /// <summary>The steps that write W0 + α·ΔW, or α·ΔW alone, for the caller.</summary>
    public static LayerPass Build(LayerProblem problem, DeviceTraits traits, bool withBase)
    {
        var pass = new PassBuilder(problem with { NeedInputGradient = false, NeedParameterGradients = false }, traits, new KeptLayout(), mayKeep: false);
        if (!problem.Updates.IsEmpty)
        {
            BuildWeight(pass, withBase ? pass.Weight : null, pass.Target);
        }
        else if (withBase)
        {
            pass.Add(new ConvertStep(pass.Weight, pass.Target, problem.OutFeatures * problem.InFeatures) { Label = "W = W0" });
        }

        return pass.Build();
    }

    // What the first backward does not read is not kept by the second forward.
    private static LayerPlan Candidate(LayerProblem problem, DeviceTraits traits, LayerPaths paths)
    {
        (LayerPass forward, KeptLayout kept) = Forward(problem, traits, paths.Forward, new KeptLayout());
        LayerPass backward = LayerPass.Empty;
        if (problem.NeedBackward)
        {
            backward = Backward(problem, traits, paths.Backward, kept, forward);
            if (kept.Without(backward) is { HasUnread: true } less)
            {
                (forward, kept) = Forward(problem, traits, paths.Forward, less);
                backward = Backward(problem, traits, paths.Backward, kept, forward);
            }
        }

        return new LayerPlan(problem, paths, forward, backward, kept.Buffers, kept.ByteCount, traits);
    }

    private static LayerPlan Empty(LayerProblem problem, DeviceTraits traits) =>
        new(problem, new LayerPaths(problem.Updates.IsEmpty ? ExecutionPath.Plain : ExecutionPath.Merged), LayerPass.Empty, LayerPass.Empty, [], 0, traits)
        {
            Reasons = ["there are no tokens: nothing runs, and no gradient changes"],
        };

    private static (LayerPass Pass, KeptLayout Kept) Forward(LayerProblem problem, DeviceTraits traits, ExecutionPath path, KeptLayout kept)
    {
        var pass = new PassBuilder(problem, traits, kept, mayKeep: true);
        Operand weight = pass.Weight;
        if (path == ExecutionPath.Merged)
        {
            bool keep = problem.WeightPolicy == WeightPolicy.Keep && problem.NeedBackward;
            weight = pass.ScratchOrKept("W", problem.DType, problem.OutFeatures * problem.InFeatures, keep);
            BuildWeight(pass, pass.Weight, weight);
        }

        var product = new MatrixProductStep(pass.Input, weight, pass.Output, problem.Tokens, problem.OutFeatures, problem.InFeatures)
        {
            Label = $"Y = X·{WeightName(path)}ᵀ{(problem.HasBias || problem.TrainBias ? " + b" : "")}", LayoutB = Layout.Transposed, Bias = BiasOf(pass),
        };
        AddProduct(pass, path, product, static (rules, trial, alone) => rules.JoinOutput(trial, alone), static (rules, trial) => rules.AddToOutput(trial));
        return (pass.Build(), pass.Kept);
    }

    /// <summary>
    /// The steps of dX and of the trained tensors' gradients. Where W is built again, the gradients come first if that takes less scratch: what they leave makes room
    /// for W, and no step is another one. Random numbers are begun beside a product where that is shorter and the layer takes hardly more scratch for it.
    /// </summary>
    private static LayerPass Backward(LayerProblem problem, DeviceTraits traits, ExecutionPath path, KeptLayout kept, LayerPass forward)
    {
        LayerPass pass = Backward(problem, traits, path, kept, gradientsFirst: false);
        if (path != ExecutionPath.Merged)
        {
            return pass;
        }

        LayerPass other = Backward(problem, traits, path, kept, gradientsFirst: true);
        if (other.ScratchBytes < pass.ScratchBytes && other.Steps.Length == pass.Steps.Length)
        {
            pass = other;
        }

        LayerPass early = Backward(problem, traits, path, kept, gradientsFirst: true, fillsEarly: true);
        return early.Steps.Any(step => step is FilledProductStep)
            && early.ScratchBytes <= ScratchOfEarly * Math.Max(pass.ScratchBytes, forward.ScratchBytes)
            && CostModel.Seconds(early, traits) < CostModel.Seconds(pass, traits) ? early : pass;
    }

    private static LayerPass Backward(LayerProblem problem, DeviceTraits traits, ExecutionPath path, KeptLayout kept, bool gradientsFirst, bool fillsEarly = false)
    {
        var pass = new PassBuilder(problem, traits, kept, mayKeep: false) { FillsEarly = fillsEarly };
        if (gradientsFirst)
        {
            AddParameterGradients(pass);
        }

        if (problem.NeedInputGradient)
        {
            Operand weight = path == ExecutionPath.Merged ? MergedWeight(pass) : pass.Weight;
            var product = new MatrixProductStep(pass.OutputGradient, weight, pass.InputGradient, problem.Tokens, problem.InFeatures, problem.OutFeatures)
            {
                Label = $"dX = dY·{WeightName(path)}",
            };
            AddProduct(pass, path, product, static (rules, trial, alone) => rules.JoinInputGradient(trial, alone), static (rules, trial) => rules.AddToInputGradient(trial));
        }

        if (!gradientsFirst)
        {
            AddParameterGradients(pass);
        }

        return pass.Build();
    }

    private static void AddParameterGradients(PassBuilder pass)
    {
        if (pass.Problem.NeedParameterGradients)
        {
            ForEach(pass, rules => rules.AddParameterGradients(pass));
            AddBiasGradient(pass);
        }
    }

    /// <summary>
    /// The frozen layer's product and, on the factored path, the updates' terms. The first that can joins the product, where its sums cost no memory traffic,
    /// unless all of them are predicted to be shorter added after it, as the others are.
    /// </summary>
    private static void AddProduct(
        PassBuilder pass,
        ExecutionPath path,
        MatrixProductStep product,
        Func<UpdateRules, PassBuilder, MatrixProductStep, MatrixProductStep?> join,
        Action<UpdateRules, PassBuilder> add)
    {
        if (path != ExecutionPath.Factored)
        {
            pass.Add(product);
            return;
        }

        pass.GoShortest(
            trial =>
            {
                trial.Add(product);
                ForEach(trial, rules => add(rules, trial));
                return true;
            },
            trial =>
            {
                (MatrixProductStep? joined, int joining) = (null, -1);
                ForEach(trial, rules =>
                {
                    if (joined is null && join(rules, trial, product) is { } taken)
                    {
                        (joined, joining) = (taken, trial.Scope.Number);
                    }
                });
                if (joined is null)
                {
                    return false;
                }

                trial.Add(joined);
                ForEach(trial, rules =>
                {
                    if (trial.Scope.Number != joining)
                    {
                        add(rules, trial);
                    }
                });
                return true;
            });
    }

    private static Operand MergedWeight(PassBuilder pass)
    {
        if (pass.Known("W") is { } kept)
        {
            return kept;
        }

        Operand weight = pass.Scratch("W", pass.Problem.DType, pass.Problem.OutFeatures * pass.Problem.InFeatures);
        BuildWeight(pass, pass.Weight, weight);
        return weight;
    }

    /// <summary>target = base + Σ α·ΔW over the updates, each added to what those before it left.</summary>
    private static void BuildWeight(PassBuilder pass, Operand? baseWeight, Operand target)
    {
        Operand? sum = baseWeight;
        ForEach(pass, rules =>
        {
            rules.BuildWeight(pass, sum, target);
            sum = target;
        });
    }

    private static void ForEach(PassBuilder pass, Action<UpdateRules> add)
    {
        var scope = new UpdateScope(0, 0, 0);
        foreach (WeightUpdate update in pass.Problem.Updates)
        {
            pass.Scope = scope;
            add(UpdateRules.Of(update));
            scope = new UpdateScope(scope.Number + 1, scope.FirstParameter + update.Trained.Length, scope.FirstStored + update.Stored.Length);
        }

        pass.Scope = default;
    }

    private static string WeightName(ExecutionPath path) => path == ExecutionPath.Merged ? "W" : "W0";

    private static Operand? BiasOf(PassBuilder pass)
    {
        LayerProblem problem = pass.Problem;
        if (!problem.TrainBias)
        {
            return problem.HasBias ? pass.Bias : null;
        }

        Operand trained = pass.Parameter(BiasIndex(problem), "bias", problem.OutFeatures);
        if (trained.DType == problem.DType)
        {
            return trained;
        }

        Operand converted = pass.Scratch("b", problem.DType, problem.OutFeatures);
        pass.Add(new ConvertStep(trained, converted, problem.OutFeatures) { Label = $"b = bias in {problem.DType.Label()}" });
        return converted;
    }

    private static void AddBiasGradient(PassBuilder pass)
    {
        LayerProblem problem = pass.Problem;
        if (problem.TrainBias)
        {
            Operand gradient = pass.ParameterGradient(BiasIndex(problem), "bias", problem.OutFeatures);
            pass.Add(new ColumnSumStep(pass.OutputGradient, gradient, problem.Tokens, problem.OutFeatures) { Label = "gradient of bias += column sums of dY" });
        }
    }

    private static int BiasIndex(LayerProblem problem) => problem.Updates.Sum(update => update.Trained.Length);

    private static void Check(LayerProblem problem)
    {
        if (problem.Tokens < 0 || problem.OutFeatures < 1 || problem.InFeatures < 1)
        {
            throw new ArgumentException(
                $"Expected tokens ≥ 0 and features ≥ 1, found {problem.Tokens} tokens, {problem.OutFeatures} out and {problem.InFeatures} in.", nameof(problem));
        }

        if (problem.Updates.FirstOrDefault(update => update.OutFeatures != problem.OutFeatures || update.InFeatures != problem.InFeatures) is { } update)
        {
            throw new ArgumentException(
                $"The update '{update.Method}' is {update.OutFeatures}×{update.InFeatures}, the layer is {problem.OutFeatures}×{problem.InFeatures}. Describe the update with the layer's sizes (out × in).",
                nameof(problem));
        }

        if ((problem.Path == ExecutionPath.Plain || problem.BackwardPath == ExecutionPath.Plain) && !problem.Updates.IsEmpty)
        {
            throw new ArgumentException("Path 'Plain' is for layers without an update; ask for Auto, Merged or Factored.", nameof(problem));
        }
    }
}
