using TeRA.Kernels.Planning;

namespace TeRA.Kernels;

/// <summary>
/// A frozen linear layer with a trained weight update: Y = X·W0ᵀ + b + α·X·ΔWᵀ, forward and backward, for any graph.
/// The first call with a number of tokens plans and compiles; later calls bind addresses and submit work: no allocation, no
/// synchronisation, fit for capture in a CUDA graph (after one eager call on the same stream, which allocates the stream's scratch).
/// Parameter gradients accumulate, activation gradients overwrite.
/// Calls may come from any thread; two calls at a time need two contexts, and their own streams or order.
/// </summary>
/// <example>
/// <code>
/// using var layer = new AdaptedLinear(device, weight, bias: null, TeraUpdate.Propose(4096, 4096));
/// using var context = new LayerContext();
/// layer.Forward(x, y, context);
/// layer.Backward(context, x, dy, dx);
/// </code>
/// </example>
public sealed class AdaptedLinear : IDisposable
{
    private readonly AdaptedLinearOptions options;
    private readonly Parameter[] parameters;
    private readonly LayerAddresses addresses;
    private readonly Lock gate = new();
    private readonly Dictionary<ProgramKey, LayerProgram> programs = [];
    private CompiledPass? buildDelta;
    private CompiledPass? buildWeight;
    private bool disposed;

    /// <summary>Adapts a layer. The parameters get their starting values, at which ΔW = 0 for every method here.</summary>
    /// <param name="device">Where everything is.</param>
    /// <param name="weight">W0, [N, K]; only read, owned by the caller, who keeps it alive.</param>
    /// <param name="bias">b, [N], the weight's dtype; or null. Owned by the caller too.</param>
    /// <param name="update">ΔW, described with N and K; null for a plain frozen layer.</param>
    /// <param name="options">Choices; null for the defaults.</param>
    /// <exception cref="ArgumentException">A shape, dtype or device does not fit; the message says which.</exception>
    /// <exception cref="NotSupportedException">The planner has no rules for the update's operators.</exception>
    public AdaptedLinear(Device device, Tensor weight, Tensor? bias, WeightUpdate? update, AdaptedLinearOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        CheckLayer(device, weight, bias, update);
        if (options is { Path: ExecutionPath.Plain } && update is not null)
        {
            throw new ArgumentException("Path 'Plain' is for layers without an update; ask for Auto, Merged or Factored.", nameof(options));
        }

        Device = device;
        Weight = weight;
        Bias = bias;
        Update = update;
        this.options = options ?? new AdaptedLinearOptions();
        _ = LayerPlanner.Plan(Problem(1, inputGradient: true, training: true, this.options.Path), device.Traits);
        parameters = LayerParameters.Create(device, weight.DType.ParameterDType(), update, bias, weight.Shape[0], this.options.TrainBias);
        addresses = new LayerAddresses(weight, bias, parameters);
    }

    /// <summary>Where the layer is.</summary>
    public Device Device { get; }

    /// <summary>W0.</summary>
    public Tensor Weight { get; }

    /// <summary>b as it was given; a trained bias is a parameter of its own.</summary>
    public Tensor? Bias { get; }

    /// <summary>ΔW as data.</summary>
    public WeightUpdate? Update { get; }

    /// <summary>N.</summary>
    public long OutFeatures => Weight.Shape[0];

    /// <summary>K.</summary>
    public long InFeatures => Weight.Shape[1];

    /// <summary>The trained tensors, in the update's file order, then the bias when it is trained.</summary>
    public IReadOnlyList<Parameter> Parameters => parameters;

    /// <summary>y = x·W0ᵀ + b + α·x·ΔWᵀ.</summary>
    /// <param name="x">[…, K].</param>
    /// <param name="y">[…, N] with as many rows, overwritten; it must not overlap x, W0 or b.</param>
    /// <param name="context">Keeps what backward needs; null when no backward follows.</param>
    /// <param name="stream">Where the work goes.</param>
    /// <exception cref="ArgumentException">A shape, dtype or device does not fit, or tensors overlap; nothing was written.</exception>
    /// <exception cref="ObjectDisposedException">The layer, the context or a tensor is disposed.</exception>
    public void Forward(Tensor x, Tensor y, LayerContext? context = null, StreamHandle stream = default)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        Arguments.CheckPlace(x, nameof(x), Device, Weight.DType);
        long tokens = Arguments.CheckRows(x, nameof(x), InFeatures);
        Arguments.CheckPlace(y, nameof(y), Device, Weight.DType);
        Arguments.CheckRows(y, nameof(y), tokens, OutFeatures);
        Arguments.CheckDistinct(y, nameof(y), x, nameof(x));
        Arguments.CheckDistinct(y, nameof(y), Weight, "the layer's weight");
        Arguments.CheckDistinct(y, nameof(y), Bias, "the layer's bias");

        LayerProgram program = Program(new ProgramKey(tokens, context is not null, context?.InputGradient ?? false, options.Path));
        context?.Prepare(this, program);
        var call = new CallAddresses(AddressOf(x), AddressOf(y), 0, 0, context?.Address ?? 0);
        program.Forward.Run(addresses, call, Device.Scratch.Of(stream), stream);
        context?.Complete(program);
    }

    /// <summary>dx = dy·(W0 + α·ΔW), and the gradient of every parameter is added to.</summary>
    /// <param name="context">As the forward left it; the parameters must not have changed since.</param>
    /// <param name="x">The forward's input, unchanged.</param>
    /// <param name="dy">The gradient of the loss with respect to y, […, N].</param>
    /// <param name="dx">[…, K], overwritten, not overlapping the others; null when not wanted.</param>
    /// <param name="stream">Where the work goes.</param>
    /// <exception cref="ArgumentException">A shape, dtype or device does not fit, or tensors overlap; nothing was written.</exception>
    /// <exception cref="InvalidOperationException">The context holds no forward of this layer.</exception>
    /// <exception cref="ObjectDisposedException">The layer, the context or a tensor is disposed.</exception>
    public void Backward(LayerContext context, Tensor x, Tensor dy, Tensor? dx, StreamHandle stream = default)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        LayerProgram forward = ForwardOf(context);
        long tokens = forward.Plan.Problem.Tokens;
        Arguments.CheckPlace(x, nameof(x), Device, Weight.DType);
        if (Arguments.CheckRows(x, nameof(x), InFeatures) != tokens)
        {
            throw new ArgumentException($"Expected the forward's input of {tokens} tokens, found {x}.", nameof(x));
        }

        Arguments.CheckPlace(dy, nameof(dy), Device, Weight.DType);
        Arguments.CheckRows(dy, nameof(dy), tokens, OutFeatures);
        if (dx is not null)
        {
            CheckInputGradient(dx, x, dy, tokens);
        }

        LayerProgram program = BackwardOf(forward, dx is not null);
        var call = new CallAddresses(AddressOf(x), 0, AddressOf(dy), dx is null ? 0 : AddressOf(dx), context.Address);
        program.Backward.Run(addresses, call, Device.Scratch.Of(stream), stream);
    }

    /// <summary>Writes α·ΔW: what <see cref="Merge"/> adds to W0, rounded once to the weight's dtype.</summary>
    /// <param name="delta">[N, K] in the weight's dtype, overwritten.</param>
    /// <param name="stream">Where the work goes.</param>
    /// <exception cref="ArgumentException">The shape, dtype or device does not fit, or it overlaps the weight.</exception>
    public void MaterializeDelta(Tensor delta, StreamHandle stream = default)
    {
        CheckTarget(delta, nameof(delta));
        if (Update is null)
        {
            delta.Clear(stream);
            return;
        }

        Build(ref buildDelta, withBase: false, delta, stream);
    }

    /// <summary>Writes W0 + α·ΔW: a plain layer with this weight gives the same y without an adapter.</summary>
    /// <param name="into">[N, K] in the weight's dtype, overwritten; not W0 itself, which this layer goes on using.</param>
    /// <param name="stream">Where the work goes.</param>
    /// <exception cref="ArgumentException">The shape, dtype or device does not fit, or it overlaps the weight.</exception>
    public void Merge(Tensor into, StreamHandle stream = default)
    {
        CheckTarget(into, nameof(into));
        Build(ref buildWeight, withBase: true, into, stream);
    }

    /// <summary>Sets all gradients to zero, ordered on the stream.</summary>
    public void ZeroGradients(StreamHandle stream = default)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        foreach (Parameter parameter in parameters)
        {
            parameter.Gradient.Clear(stream);
        }
    }

    /// <summary>What runs for this many tokens in training.</summary>
    /// <param name="tokens">B.</param>
    /// <param name="inputGradient">Whether backward gives dX too.</param>
    public LayerPlan Plan(long tokens, bool inputGradient = true)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        ObjectDisposedException.ThrowIf(disposed, this);
        return Program(new ProgramKey(tokens, true, inputGradient, options.Path)).Plan;
    }

    /// <summary>The plan in words: the path, why it was chosen, every step with its kernel and predicted time, memory.</summary>
    /// <param name="tokens">B.</param>
    public string Explain(long tokens) => Plan(tokens).Explain();

    /// <summary>Releases the parameters and their gradients; W0 and b stay the caller's. Work in flight must be done.</summary>
    public void Dispose()
    {
        disposed = true;
        foreach (Parameter parameter in parameters)
        {
            parameter.Value.Dispose();
            parameter.Gradient.Dispose();
        }
    }

    private static void CheckLayer(Device device, Tensor weight, Tensor? bias, WeightUpdate? update)
    {
        ArgumentNullException.ThrowIfNull(weight);
        Arguments.CheckPlace(weight, nameof(weight), device, weight.DType);
        if (weight.Shape.Length != 2 || weight.ElementCount == 0)
        {
            throw new ArgumentException($"Expected [out features, in features], each at least 1, found {weight}.", nameof(weight));
        }

        if (bias is not null)
        {
            Arguments.CheckPlace(bias, nameof(bias), device, weight.DType);
            if (bias.Shape.Length != 1 || bias.Shape[0] != weight.Shape[0])
            {
                throw new ArgumentException($"Expected [{weight.Shape[0]}], one number for each row of the weight, found {bias}.", nameof(bias));
            }
        }

        if (update is not null && (update.OutFeatures != weight.Shape[0] || update.InFeatures != weight.Shape[1]))
        {
            throw new ArgumentException(
                $"The update '{update.Method}' is {update.OutFeatures}×{update.InFeatures}, the weight {weight.Shape[0]}×{weight.Shape[1]}. Describe the update with the layer's sizes (out × in).",
                nameof(update));
        }
    }

    private static nint AddressOf(Tensor tensor) => tensor.ElementCount == 0 ? 0 : tensor.Address;

    private LayerProgram ForwardOf(LayerContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        _ = context.Address;
        if (context.Program is not { } program || !ReferenceEquals(context.Layer, this))
        {
            throw new InvalidOperationException("The context holds no forward of this layer. Call Forward with it first, and use one context for each layer.");
        }

        return program;
    }

    private void CheckInputGradient(Tensor dx, Tensor x, Tensor dy, long tokens)
    {
        Arguments.CheckPlace(dx, nameof(dx), Device, Weight.DType);
        Arguments.CheckRows(dx, nameof(dx), tokens, InFeatures);
        Arguments.CheckDistinct(dx, nameof(dx), x, nameof(x));
        Arguments.CheckDistinct(dx, nameof(dx), dy, nameof(dy));
        Arguments.CheckDistinct(dx, nameof(dx), Weight, "the layer's weight");
    }

    private void CheckTarget(Tensor target, string name)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        Arguments.CheckPlace(target, name, Device, Weight.DType);
        Arguments.CheckMatrix(target, name, OutFeatures, InFeatures);
        Arguments.CheckDistinct(target, name, Weight, "the layer's weight");
    }

    private void Build(ref CompiledPass? cached, bool withBase, Tensor target, StreamHandle stream)
    {
        CompiledPass pass;
        lock (gate)
        {
            pass = cached ??= new CompiledPass(Device, LayerPlanner.Build(Problem(1, inputGradient: false, training: false, options.Path), Device.Traits, withBase));
        }

        pass.Run(addresses, new CallAddresses(0, target.Address, 0, 0, 0), Device.Scratch.Of(stream), stream);
    }

    /// <summary>The backward that fits what a forward kept. When dX is wanted against what the context said, the path stays the forward's.</summary>
    private LayerProgram BackwardOf(LayerProgram forward, bool inputGradient)
    {
        LayerProblem problem = forward.Plan.Problem;
        return problem.NeedInputGradient == inputGradient
            ? forward
            : Program(new ProgramKey(problem.Tokens, true, inputGradient, forward.Plan.Path == ExecutionPath.Plain ? ExecutionPath.Auto : forward.Plan.Path));
    }

    private LayerProgram Program(ProgramKey key)
    {
        lock (gate)
        {
            if (!programs.TryGetValue(key, out LayerProgram? program))
            {
                program = new LayerProgram(Device, Problem(key.Tokens, key.InputGradient, key.Training, key.Path));
                programs.Add(key, program);
            }

            return program;
        }
    }

    private LayerProblem Problem(long tokens, bool inputGradient, bool training, ExecutionPath path) => new(tokens, OutFeatures, InFeatures, Weight.DType)
    {
        Update = Update,
        HasBias = Bias is not null,
        TrainBias = options.TrainBias,
        NeedInputGradient = training && inputGradient,
        NeedParameterGradients = training && (Update is not null || options.TrainBias),
        Path = path,
        WeightPolicy = options.WeightPolicy,
        KeepContractions = options.KeepContractions,
    };

    private readonly record struct ProgramKey(long Tokens, bool Training, bool InputGradient, ExecutionPath Path);
}
