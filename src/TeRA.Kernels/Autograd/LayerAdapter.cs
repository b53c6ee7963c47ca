using System.Collections.Immutable;
using TeRA.Kernels.Planning;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels;

/// <summary>
/// One of the updates of a layer with its parameters. Enabling, disabling and scaling change which steps run: a CUDA graph captured before goes on doing what
/// it was captured with. To exchange adapters under a captured graph, copy another one's values in with <see cref="CopyFrom"/>: the addresses stay.
/// </summary>
public sealed class LayerAdapter
{
    private readonly Action<bool> changed;
    private readonly Parameter[] parameters;
    private SingleStep[]? copies;
    private bool enabled = true;
    private double scale = 1;

    private LayerAdapter(string name, WeightUpdate update, Parameter[] parameters, Tensor[] stored, Action<bool> changed)
    {
        Name = name;
        Update = update;
        this.parameters = parameters;
        Stored = stored;
        this.changed = changed;
    }

    /// <summary>Its name, unique in the layer.</summary>
    public string Name { get; }

    /// <summary>ΔW as data.</summary>
    public WeightUpdate Update { get; }

    /// <summary>The trained tensors, in the update's file order; those shared by a group are the group's.</summary>
    public IReadOnlyList<Parameter> Parameters => parameters;

    /// <summary>Whether it takes part; a layer without enabled adapters is the frozen layer, bit for bit. True at the start.</summary>
    public bool Enabled
    {
        get => enabled;
        set
        {
            if (enabled != value)
            {
                enabled = value;
                changed(false);
            }
        }
    }

    /// <summary>Factor of ΔW beside the update's own α; 1 at the start. Every value of it is planned and compiled on its first use.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not finite.</exception>
    public double Scale
    {
        get => scale;
        set
        {
            if (!double.IsFinite(value))
            {
                throw new ArgumentOutOfRangeException(nameof(value), value, "expected a finite factor");
            }

            if (scale != value)
            {
                scale = value;
                changed(true);
            }
        }
    }

    internal Tensor[] Stored { get; }

    internal WeightUpdate ScaledUpdate => ScaledWeightUpdate.Of(Update, scale);

    /// <summary>Copies another adapter's values into this one's memory, ordered on the stream; gradients stay.</summary>
    /// <param name="other">An adapter of any layer of the same device, whose trained tensors have the same names and shapes and whose frozen ones are the same.</param>
    /// <param name="stream">Where the work goes.</param>
    /// <exception cref="ArgumentException">The other is on another device, or describes another update.</exception>
    public void CopyFrom(LayerAdapter other, StreamHandle stream = default)
    {
        CheckAlike(other);
        copies ??= [.. parameters.Select(Copy)];
        for (int i = 0; i < parameters.Length; i++)
        {
            if (!ReferenceEquals(parameters[i], other.parameters[i]))
            {
                copies[i].Run(stream, other.parameters[i].Value.Address, parameters[i].Value.Address);
            }
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Name}: {Update.Method}{(enabled ? "" : ", disabled")}";

    /// <summary>Makes the parameters with their starting values and checks what is given. On failure nothing is left allocated.</summary>
    internal static LayerAdapter Create(string name, Device device, DType dtype, WeightUpdate update, GivenTensors given, Action<bool> changed)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        CheckStored(device, update, given);
        ImmutableArray<TrainedTensor> shared = [.. update.Trained.Where(tensor => tensor.IsShared)];
        bool own = given.Shared.Count == 0;
        if (!own)
        {
            CheckShared(device, dtype, update, shared, given);
        }

        ImmutableArray<TrainedTensor> made = own ? [.. update.Trained.Select(tensor => tensor with { IsShared = false })] : [.. update.Trained.Where(tensor => !tensor.IsShared)];
        var fresh = new Queue<Parameter>(LayerParameters.Create(device, dtype, made, update.StartSource));
        var group = new Queue<Parameter>(given.Shared);
        Parameter[] parameters = [.. update.Trained.Select(tensor => tensor.IsShared && !own ? group.Dequeue() : fresh.Dequeue())];
        return new LayerAdapter(name, update, parameters, [.. given.Stored], changed);
    }

    /// <summary>Releases the parameters that are the layer's own.</summary>
    internal void Dispose()
    {
        foreach (Parameter parameter in parameters.Where(parameter => !parameter.IsShared))
        {
            parameter.Dispose();
        }
    }

    private static SingleStep Copy(Parameter parameter)
    {
        DType dtype = parameter.Value.DType;
        return new SingleStep(
            parameter.Value.Device, new ConvertStep(new Operand(1, dtype), new Operand(2, dtype), parameter.Value.ElementCount) { Label = $"copy {parameter.Name}" });
    }

    private static void CheckStored(Device device, WeightUpdate update, GivenTensors given)
    {
        if (given.Stored.Count != update.Stored.Length)
        {
            throw new ArgumentException(
                $"The update '{update.Method}' needs {update.Stored.Length} stored tensors ({string.Join(", ", update.Stored.Select(tensor => tensor.Name))}), found {given.Stored.Count}. Pass them in GivenTensors.Stored, in this order.",
                nameof(given));
        }

        for (int i = 0; i < given.Stored.Count; i++)
        {
            StoredTensor expected = update.Stored[i];
            Arguments.CheckPlace(given.Stored[i], nameof(given), device, expected.DType);
            if (!given.Stored[i].Shape.SequenceEqual(expected.Shape.AsSpan()))
            {
                throw new ArgumentException($"Expected {expected.Name} of shape [{string.Join(", ", expected.Shape)}], as the update describes it, found {given.Stored[i]}.", nameof(given));
            }
        }
    }

    private static void CheckShared(Device device, DType dtype, WeightUpdate update, ImmutableArray<TrainedTensor> shared, GivenTensors given)
    {
        if (given.Shared.Count != shared.Length)
        {
            throw new ArgumentException(
                $"The update '{update.Method}' shares {shared.Length} trained tensors with its group, found {given.Shared.Count} parameters. Pass the group's, or none.", nameof(given));
        }

        for (int i = 0; i < shared.Length; i++)
        {
            Tensor value = given.Shared[i].Value;
            Arguments.CheckPlace(value, nameof(given), device, dtype);
            if (!given.Shared[i].IsShared || given.Shared[i].Name != shared[i].Name || !value.Shape.SequenceEqual(shared[i].Shape.AsSpan()))
            {
                throw new ArgumentException(
                    $"Expected a group's {shared[i].Name} of shape [{string.Join(", ", shared[i].Shape)}], found {given.Shared[i]}. Give layers of one group the same shapes and rank.", nameof(given));
            }
        }
    }

    // Records compare their arrays by reference; a Kronecker operator's factors are compared one by one.
    private static bool Same(UpdateOperator a, UpdateOperator b) =>
        a is KroneckerOperator first && b is KroneckerOperator second
            ? first.Source == second.Source && first.Transposed == second.Transposed && first.Factors.SequenceEqual(second.Factors)
            : a == b;

    private void CheckAlike(LayerAdapter other)
    {
        ArgumentNullException.ThrowIfNull(other);
        bool alike = other.Update.Method == Update.Method && other.Update.Alpha == Update.Alpha
            && Same(other.Update.Left, Update.Left) && Same(other.Update.Core, Update.Core) && Same(other.Update.Right, Update.Right)
            && other.Stored.SequenceEqual(Stored, ReferenceEqualityComparer.Instance);
        if (!alike || (parameters.Length > 0 && !ReferenceEquals(other.parameters[0].Value.Device, parameters[0].Value.Device)))
        {
            throw new ArgumentException(
                $"'{other.Name}' describes another update than '{Name}' (method, sizes, seed, α or frozen tensors), or is on another device: its values mean nothing here. Add it as an adapter of its own.",
                nameof(other));
        }
    }
}
