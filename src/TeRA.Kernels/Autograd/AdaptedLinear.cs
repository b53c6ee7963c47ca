using System.Collections.Immutable;
using TeRA.Kernels.Planning;

namespace TeRA.Kernels;

/// <summary>
/// A frozen linear layer with a trained weight update: Y = X·W0ᵀ + b + α·X·ΔWᵀ, forward and backward, for any graph.
/// The first call with a number of tokens plans and compiles; later calls bind addresses and submit work: no allocation, no
/// synchronisation, fit for capture in a CUDA graph (after one eager call on the same stream with the same tensors, which allocates the stream's scratch).
/// Parameter gradients accumulate, activation gradients overwrite. What a call writes may hold its scratch until then: y, dx and a merged weight are undefined
/// until the call's work is done, and after a call that failed.
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
    /// <summary>The name of the adapter that the constructor makes.</summary>
    public const string DefaultName = "default";

    private const int MostAdapters = 64;

    private readonly AdaptedLinearOptions options;
    private readonly Parameter? trainedBias;
    private readonly Lock gate = new();
    private readonly List<LayerAdapter> adapters = [];
    private readonly Dictionary<ulong, LayerConfiguration> configurations = [];
    private volatile LayerConfiguration? current;
    private Parameter[] parameters = [];
    private bool disposed;

    /// <summary>Adapts a layer. The parameters get their starting values, at which ΔW = 0 for every method here.</summary>
    /// <param name="device">Where everything is.</param>
    /// <param name="weight">W0, [N, K]; only read, owned by the caller, who keeps it alive.</param>
    /// <param name="bias">b, [N], the weight's dtype; or null. Owned by the caller too.</param>
    /// <param name="update">ΔW, described with N and K; null for a plain frozen layer.</param>
    /// <param name="options">Choices; null for the defaults.</param>
    /// <param name="given">Frozen tensors and shared parameters that the update needs; null for none.</param>
    /// <exception cref="ArgumentException">A shape, dtype or device does not fit; the message says which.</exception>
    /// <exception cref="NotSupportedException">The planner has no rules for the update's operators.</exception>
    public AdaptedLinear(Device device, Tensor weight, Tensor? bias, WeightUpdate? update, AdaptedLinearOptions? options = null, GivenTensors? given = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        CheckLayer(device, weight, bias);
        Device = device;
        Weight = weight;
        Bias = bias;
        this.options = options ?? new AdaptedLinearOptions();
        CheckChoices(this.options);
        if (update is not null)
        {
            CheckUpdate(update, nameof(update));
            CheckPath(nameof(options));
        }

        _ = Plan(update is null ? [] : [update]);
        trainedBias = this.options.TrainBias ? LayerParameters.CreateBias(device, weight.DType.ParameterDType(), bias, weight.Shape[0]) : null;
        try
        {
            ListParameters();
            if (update is not null)
            {
                Insert(DefaultName, update, given);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Where the layer is.</summary>
    public Device Device { get; }

    /// <summary>W0.</summary>
    public Tensor Weight { get; }

    /// <summary>b as it was given; a trained bias is a parameter of its own.</summary>
    public Tensor? Bias { get; }

    /// <summary>ΔW of the first adapter as data; null when there is none.</summary>
    public WeightUpdate? Update => adapters.Count == 0 ? null : adapters[0].Update;

    /// <summary>The layer's adapters; their updates add up as far as they are enabled.</summary>
    public IReadOnlyList<LayerAdapter> Adapters => adapters;

    /// <summary>N.</summary>
    public long OutFeatures => Weight.Shape[0];

    /// <summary>K.</summary>
    public long InFeatures => Weight.Shape[1];

    /// <summary>The trained tensors of all adapters, enabled or not, each in its update's file order, then the bias when it is trained.</summary>
    public IReadOnlyList<Parameter> Parameters => parameters;

    /// <summary>Adds another adapter, enabled, with its starting values, at which it changes nothing.</summary>
    /// <param name="name">Its name, unique in the layer.</param>
    /// <param name="update">ΔW, described with N and K.</param>
    /// <param name="given">Frozen tensors and shared parameters that the update needs; null for none.</param>
    /// <exception cref="ArgumentException">The name is taken, or a shape, dtype or device does not fit; the message says which.</exception>
    /// <exception cref="InvalidOperationException">The layer has 64 adapters.</exception>
    /// <exception cref="NotSupportedException">The planner has no rules for the update's operators.</exception>
    public LayerAdapter Add(string name, WeightUpdate update, GivenTensors? given = null)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        ArgumentNullException.ThrowIfNull(update);
        CheckUpdate(update, nameof(update));
        CheckPath(nameof(update));
        if (adapters.Exists(adapter => adapter.Name == name))
        {
            throw new ArgumentException($"The layer has an adapter '{name}' already. Remove it first, or choose another name.", nameof(name));
        }

        if (adapters.Count == MostAdapters)
        {
            throw new InvalidOperationException($"A layer holds at most {MostAdapters} adapters. Remove one first.");
        }

        _ = Plan([update]);
        return Insert(name, update, given);
    }

    /// <summary>Removes an adapter and releases its parameters (those of a group stay). Work in flight that uses it must be done.</summary>
    /// <param name="adapter">One of <see cref="Adapters"/>.</param>
    /// <exception cref="ArgumentException">The adapter is not of this layer.</exception>
    public void Remove(LayerAdapter adapter)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        ArgumentNullException.ThrowIfNull(adapter);
        if (!adapters.Remove(adapter))
        {
            throw new ArgumentException($"The layer has no adapter '{adapter.Name}'; it has {(adapters.Count == 0 ? "none" : string.Join(", ", adapters.Select(other => other.Name)))}.", nameof(adapter));
        }

        ListParameters();
        adapter.Dispose();
    }

    /// <summary>Enables one adapter and disables all others; null disables all.</summary>
    /// <param name="adapter">One of <see cref="Adapters"/>, or null.</param>
    /// <exception cref="ArgumentException">The adapter is not of this layer.</exception>
    public void EnableOnly(LayerAdapter? adapter)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (adapter is not null && !adapters.Contains(adapter))
        {
            throw new ArgumentException($"The layer has no adapter '{adapter.Name}'.", nameof(adapter));
        }

        foreach (LayerAdapter other in adapters)
        {
            other.Enabled = ReferenceEquals(other, adapter);
        }
    }

    /// <summary>y = x·W0ᵀ + b + Σ α·x·ΔWᵀ over the enabled adapters.</summary>
    /// <param name="x">[…, K].</param>
    /// <param name="y">[…, N] with as many rows, overwritten; it must not overlap x, W0, b or what the layer was given.</param>
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

        LayerConfiguration configuration = Configuration;
        CheckStored(y, nameof(y), configuration);
        LayerProgram program = configuration.Program(tokens, context is not null, context?.InputGradient ?? false, options.Path);
        context?.Prepare(this, program);
        var call = new CallAddresses(AddressOf(x), AddressOf(y), 0, 0, context?.Address ?? 0);
        program.Forward.Run(configuration.Addresses, call, Device.Scratch.Of(stream), stream);
        context?.Complete(configuration, program);
    }

    /// <summary>dx = dy·(W0 + Σ α·ΔW), and the gradient of every parameter that the forward used is added to.</summary>
    /// <param name="context">
    /// As the forward left it, with the adapters that were enabled then. The parameters must not have changed since: the context may hold what was made of
    /// them (W, their products with X, copies in the activations' dtype), and backward would mix old and new values without a word.
    /// </param>
    /// <param name="x">The forward's input, unchanged.</param>
    /// <param name="dy">The gradient of the loss with respect to y, […, N].</param>
    /// <param name="dx">[…, K], overwritten, not overlapping the others, W0 or what the layer was given; null when not wanted.</param>
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
        LayerConfiguration configuration = context.Configuration!;
        if (dx is not null)
        {
            CheckInputGradient(dx, x, dy, tokens);
            CheckStored(dx, nameof(dx), configuration);
        }

        LayerProgram program = configuration.BackwardOf(forward, dx is not null);
        var call = new CallAddresses(AddressOf(x), 0, AddressOf(dy), dx is null ? 0 : AddressOf(dx), context.Address);
        program.Backward.Run(configuration.Addresses, call, Device.Scratch.Of(stream), stream);
    }

    /// <summary>Writes Σ α·ΔW over the enabled adapters: what <see cref="Merge"/> adds to W0, rounded once to the weight's dtype.</summary>
    /// <param name="delta">[N, K] in the weight's dtype, overwritten.</param>
    /// <param name="stream">Where the work goes.</param>
    /// <exception cref="ArgumentException">The shape, dtype or device does not fit, or it overlaps the weight or what the layer was given.</exception>
    public void MaterializeDelta(Tensor delta, StreamHandle stream = default)
    {
        CheckTarget(delta, nameof(delta));
        if (!Configuration.HasUpdate)
        {
            delta.Clear(stream);
            return;
        }

        Build(withBase: false, delta, stream);
    }

    /// <summary>Writes W0 + Σ α·ΔW over the enabled adapters: a plain layer with this weight gives the same y without an adapter.</summary>
    /// <param name="into">[N, K] in the weight's dtype, overwritten; not W0 itself, which this layer goes on using.</param>
    /// <param name="stream">Where the work goes.</param>
    /// <exception cref="ArgumentException">The shape, dtype or device does not fit, or it overlaps the weight or what the layer was given.</exception>
    public void Merge(Tensor into, StreamHandle stream = default)
    {
        CheckTarget(into, nameof(into));
        Build(withBase: true, into, stream);
    }

    /// <summary>Sets all gradients to zero, ordered on the stream; that of a shared parameter for its whole group.</summary>
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
        return Configuration.Program(tokens, true, inputGradient, options.Path).Plan;
    }

    /// <summary>What runs for this many tokens where no backward follows: its forward may take another path than training's.</summary>
    internal LayerPlan EvaluationPlan(long tokens) => Configuration.Program(tokens, false, false, options.Path).Plan;

    /// <summary>The plan in words: the path, why it was chosen, every step with its kernel and predicted time, memory.</summary>
    /// <param name="tokens">B.</param>
    public string Explain(long tokens) => Plan(tokens).Explain();

    /// <summary>Releases the layer's own parameters and their gradients; W0, b and what was given stay the caller's. Work in flight must be done.</summary>
    public void Dispose()
    {
        disposed = true;
        adapters.ForEach(adapter => adapter.Dispose());
        trainedBias?.Dispose();
    }

    private static void CheckLayer(Device device, Tensor weight, Tensor? bias)
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
        CheckStored(target, name, Configuration);
    }

    private static void CheckStored(Tensor output, string name, LayerConfiguration configuration)
    {
        foreach (Tensor stored in configuration.Addresses.Stored)
        {
            Arguments.CheckDistinct(output, name, stored, "a tensor that the layer was given");
        }
    }

    private void CheckUpdate(WeightUpdate update, string name)
    {
        if (update.OutFeatures != OutFeatures || update.InFeatures != InFeatures)
        {
            throw new ArgumentException(
                $"The update '{update.Method}' is {update.OutFeatures}×{update.InFeatures}, the weight {OutFeatures}×{InFeatures}. Describe the update with the layer's sizes (out × in).", name);
        }
    }

    private static void CheckChoices(AdaptedLinearOptions options)
    {
        CheckChoice(options, options.Path, nameof(options.Path));
        CheckChoice(options, options.BackwardPath ?? options.Path, nameof(options.BackwardPath));
        CheckChoice(options, options.WeightPolicy, nameof(options.WeightPolicy));
        CheckChoice(options, options.Contractions, nameof(options.Contractions));
    }

    private static void CheckChoice<T>(AdaptedLinearOptions options, T choice, string name)
        where T : struct, Enum
    {
        if (!Enum.IsDefined(choice))
        {
            throw new ArgumentException($"{name}: expected one of {string.Join(", ", Enum.GetNames<T>())}, found {choice}.", nameof(options));
        }
    }

    private void CheckPath(string name)
    {
        if (options.Path == ExecutionPath.Plain || options.BackwardPath == ExecutionPath.Plain)
        {
            throw new ArgumentException("Path 'Plain' is for layers without an update; ask for Auto, Merged or Factored.", name);
        }
    }

    /// <summary>What the planner says to these updates, before anything is allocated for them.</summary>
    private LayerPlan Plan(ImmutableArray<WeightUpdate> updates) => LayerPlanner.Plan(Problem(updates) with { Path = options.Path }, Device.Traits);

    private LayerAdapter Insert(string name, WeightUpdate update, GivenTensors? given)
    {
        LayerAdapter adapter = LayerAdapter.Create(name, Device, Weight.DType.ParameterDType(), update, given ?? new GivenTensors(), Change);
        adapters.Add(adapter);
        ListParameters();
        return adapter;
    }

    private void ListParameters()
    {
        IEnumerable<Parameter> ofAdapters = adapters.SelectMany(adapter => adapter.Parameters);
        parameters = trainedBias is null ? [.. ofAdapters] : [.. ofAdapters, trainedBias];
        Forget();
    }

    private void Forget()
    {
        lock (gate)
        {
            configurations.Clear();
            current = null;
        }
    }

    /// <summary>An adapter was enabled, disabled or scaled. What was compiled for other sets is kept unless a scale changed.</summary>
    private void Change(bool scaled)
    {
        if (scaled)
        {
            Forget();
        }

        current = null;
    }

    private LayerConfiguration Configuration => current ?? Configure();

    private LayerConfiguration Configure()
    {
        lock (gate)
        {
            LayerAdapter[] enabled = [.. adapters.Where(adapter => adapter.Enabled)];
            ulong mask = 0;
            foreach (LayerAdapter adapter in enabled)
            {
                mask |= 1UL << adapters.IndexOf(adapter);
            }

            if (!configurations.TryGetValue(mask, out LayerConfiguration? configuration))
            {
                IEnumerable<Parameter> used = enabled.SelectMany(adapter => adapter.Parameters);
                var addresses = new LayerAddresses(
                    Weight, Bias, trainedBias is null ? [.. used] : [.. used, trainedBias], [.. enabled.SelectMany(adapter => adapter.Stored)]);
                configuration = new LayerConfiguration(Device, Problem([.. enabled.Select(adapter => adapter.ScaledUpdate)]), addresses);
                configurations.Add(mask, configuration);
            }

            return current = configuration;
        }
    }

    private void Build(bool withBase, Tensor target, StreamHandle stream)
    {
        LayerConfiguration configuration = Configuration;
        configuration.Build(withBase).Run(configuration.Addresses, new CallAddresses(0, target.Address, 0, 0, 0), Device.Scratch.Of(stream), stream);
    }

    private LayerProblem Problem(ImmutableArray<WeightUpdate> updates) => new(1, OutFeatures, InFeatures, Weight.DType)
    {
        Updates = updates,
        HasBias = Bias is not null,
        TrainBias = options.TrainBias,
        BackwardPath = options.BackwardPath,
        WeightPolicy = options.WeightPolicy,
        Contractions = options.Contractions,
    };
}
