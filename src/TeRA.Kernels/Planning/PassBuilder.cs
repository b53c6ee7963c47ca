using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Planning;

/// <summary>Collects the steps of one pass and numbers the buffers they name.</summary>
/// <param name="problem">The layer.</param>
/// <param name="kept">What the context holds.</param>
/// <param name="traits">What the steps will run on: some devices take forms of a step that others don't.</param>
/// <param name="mayKeep">True for the forward pass, which adds to <paramref name="kept"/>; the others only read it.</param>
internal sealed class PassBuilder(LayerProblem problem, DeviceTraits traits, KeptLayout kept, bool mayKeep)
{
    private List<Step> steps = [];
    private List<PlanBuffer> buffers = [LayerPass.Empty.Buffers[0]];

    /// <summary>The layer.</summary>
    public LayerProblem Problem { get; } = problem;

    /// <summary>The device's figures.</summary>
    public DeviceTraits Traits { get; } = traits;

    /// <summary>X, B×K.</summary>
    public Operand Input => Bind("X", Problem.DType, Problem.Tokens * Problem.InFeatures, BufferRole.Input);

    /// <summary>Y, B×N.</summary>
    public Operand Output => Bind("Y", Problem.DType, Problem.Tokens * Problem.OutFeatures, BufferRole.Output);

    /// <summary>dY, B×N.</summary>
    public Operand OutputGradient => Bind("dY", Problem.DType, Problem.Tokens * Problem.OutFeatures, BufferRole.OutputGradient);

    /// <summary>dX, B×K.</summary>
    public Operand InputGradient => Bind("dX", Problem.DType, Problem.Tokens * Problem.InFeatures, BufferRole.InputGradient);

    /// <summary>W0, N×K.</summary>
    public Operand Weight => Bind("W0", Problem.DType, Problem.OutFeatures * Problem.InFeatures, BufferRole.Weight);

    /// <summary>The matrix that a build writes for the caller, N×K.</summary>
    public Operand Target => Bind("W", Problem.DType, Problem.OutFeatures * Problem.InFeatures, BufferRole.Output);

    /// <summary>b, N, as the caller gave it.</summary>
    public Operand Bias => Bind("b", Problem.DType, Problem.OutFeatures, BufferRole.Bias);

    /// <summary>
    /// Which of the layer's updates the steps belong to: with more than one, each has scratch of its own, and its tensors come after those of the updates
    /// before it.
    /// </summary>
    public UpdateScope Scope { get; set; }

    /// <summary>Whether random numbers may be made earlier than they are needed, where a product leaves a part of the device idle: they then take memory for longer.</summary>
    public bool FillsEarly { get; init; }

    /// <summary>A trained tensor of the scope's update, or, in no scope, the trained bias, which comes after those of all updates.</summary>
    public Operand Parameter(int index, string name, long count) =>
        Bind(name, Problem.ParameterDType, count, BufferRole.Parameter, Scope.FirstParameter + index);

    /// <summary>The gradient of a trained tensor.</summary>
    public Operand ParameterGradient(int index, string name, long count) =>
        Bind("grad " + name, Problem.ParameterDType, count, BufferRole.ParameterGradient, Scope.FirstParameter + index);

    /// <summary>A frozen tensor that the layer was given for the scope's update.</summary>
    public Operand Stored(int index, StoredTensor tensor) => Bind(tensor.Name, tensor.DType, tensor.Count, BufferRole.Stored, Scope.FirstStored + index);

    /// <summary>Scratch of this pass. The same name is the same buffer.</summary>
    public Operand Scratch(string name, DType dtype, long count) => Bind(Scope.Prefix + name, dtype, count, BufferRole.Scratch);

    /// <summary>In a forward pass, a buffer that backward finds again when <paramref name="keep"/>; otherwise scratch.</summary>
    public Operand ScratchOrKept(string name, DType dtype, long count, bool keep)
    {
        string scoped = Scope.Prefix + name;
        if (!keep || !mayKeep || Kept.IsUnread(scoped))
        {
            return Scratch(name, dtype, count);
        }

        PlanBuffer entry = Kept.Find(scoped) ?? Kept.Add(scoped, dtype, count);
        return Bind(scoped, dtype, count, BufferRole.Kept, 0, entry.Offset);
    }

    /// <summary>What this pass computed, or the forward pass kept, under this name; null when it must be computed.</summary>
    public Operand? Known(string name)
    {
        string scoped = Scope.Prefix + name;
        if (buffers.Find(buffer => buffer.Name == scoped && (buffer.Role is BufferRole.Scratch or BufferRole.Kept)) is { } buffer)
        {
            return new Operand(buffer.Slot, buffer.DType);
        }

        return Kept.Find(scoped) is { } entry ? Bind(scoped, entry.DType, entry.Count, BufferRole.Kept, 0, entry.Offset) : null;
    }

    /// <summary>What the context holds after this pass.</summary>
    public KeptLayout Kept { get; private set; } = kept;

    /// <summary>Appends a step.</summary>
    public void Add(Step step) => steps.Add(step);

    /// <summary>
    /// Puts more into the last step of a kind that has room, instead of a step of its own at the end. What is put there must read nothing that a step makes.
    /// </summary>
    /// <param name="grow">The step with more in it; null where there is no room.</param>
    /// <returns>Whether there was one.</returns>
    public bool Grow<TStep>(Func<TStep, TStep?> grow)
        where TStep : Step
    {
        for (int i = steps.Count - 1; i >= 0; i--)
        {
            if (steps[i] is TStep step && grow(step) is { } grown)
            {
                steps[i] = grown;
                return true;
            }
        }

        return false;
    }

    /// <summary>Goes the way whose steps are predicted to take the shortest time, the first of equals. Each is tried on a copy.</summary>
    /// <param name="ways">At least one that is open; a way returns false where it is not.</param>
    public void GoShortest(params IEnumerable<Func<PassBuilder, bool>> ways)
    {
        (PassBuilder Trial, double Seconds)? best = null;
        foreach (Func<PassBuilder, bool> way in ways)
        {
            PassBuilder trial = Copy();
            if (way(trial) && trial.Seconds() is var seconds && !(seconds >= best?.Seconds))
            {
                best = (trial, seconds);
            }
        }

        PassBuilder taken = best?.Trial ?? throw new InvalidOperationException("No way is open: a pass needs one that every device takes.");
        (steps, buffers, Kept) = (taken.steps, taken.buffers, taken.Kept);
    }

    /// <summary>The pass, with its scratch placed.</summary>
    public LayerPass Build()
    {
        int[][] touched = [.. steps.Select(step => StepSlots.Of(step).ToArray())];
        LayerPass anywhere = Build(touched, ScratchLayout.Alignment), aligned = Build(touched, 0);
        return aligned.ScratchBytes < anywhere.ScratchBytes ? aligned with { Unaligned = anywhere } : anywhere;
    }

    private LayerPass Build(int[][] touched, long skipped)
    {
        PlanBuffer? output = buffers.Find(buffer => buffer.Role is BufferRole.Output or BufferRole.InputGradient);
        List<PlanBuffer> scratch = buffers.FindAll(buffer => buffer.Role == BufferRole.Scratch);
        BorrowedOutput.Placement placement = Borrowed(output, touched, skipped).Place([.. scratch.Select(buffer => new ScratchLayout.Request(
            buffer.ByteCount,
            Array.FindIndex(touched, slots => slots.Contains(buffer.Slot)),
            Array.FindLastIndex(touched, slots => slots.Contains(buffer.Slot))))]);
        List<PlanBuffer> placed = [.. buffers];
        for (int i = 0; i < scratch.Count; i++)
        {
            (long offset, bool inOutput) = placement.Places[i];
            placed[scratch[i].Slot] = scratch[i] with { Offset = offset, Host = inOutput ? output!.Slot : null };
        }

        return new LayerPass([.. steps], [.. placed], placement.ArenaBytes);
    }

    /// <summary>What may be borrowed of the output, from its first aligned byte. A step that adds to what lies there names it twice: then it is not the pass's own yet.</summary>
    private static BorrowedOutput Borrowed(PlanBuffer? output, int[][] touched, long skipped)
    {
        int first = output is null ? -1 : Array.FindIndex(touched, slots => slots.Contains(output.Slot));
        return first < 0 || touched[first].Count(slot => slot == output!.Slot) > 1 ? BorrowedOutput.None : new BorrowedOutput(output!.ByteCount - skipped, first);
    }

    private double Seconds() => steps.Sum(step => CostModel.Seconds(step, Traits));

    private PassBuilder Copy() => new(Problem, Traits, Kept.Copy(), mayKeep) { steps = [.. steps], buffers = [.. buffers], Scope = Scope, FillsEarly = FillsEarly };

    private Operand Bind(string name, DType dtype, long count, BufferRole role, int index = 0, long offset = 0)
    {
        PlanBuffer? buffer = buffers.Find(candidate => candidate.Name == name && candidate.Role == role && candidate.Index == index);
        if (buffer is null)
        {
            buffer = new PlanBuffer(buffers.Count, name, dtype, count, role) { Index = index, Offset = offset };
            buffers.Add(buffer);
        }

        if (buffer.DType != dtype || buffer.Count != count)
        {
            throw new InvalidOperationException($"'{name}' is {buffer.Count} elements of {buffer.DType.Label()} in this pass, and {count} of {dtype.Label()} were asked for: two buffers need two names.");
        }

        return new Operand(buffer.Slot, buffer.DType);
    }
}
