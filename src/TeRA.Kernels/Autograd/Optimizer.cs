using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Planning;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels;

/// <summary>
/// Updates a list of parameters, of any number of layers, in one step over all of them. Its settings live in the device's memory:
/// a captured step reads them at every replay. Not synchronised: one thread at a time.
/// </summary>
public abstract class Optimizer : IDisposable
{
    private readonly Parameter[] parameters;
    private readonly SingleStep step;
    private readonly SafeHandle segmentTable;
    private readonly SafeHandle settingsMemory;
    private OptimizerSettings settings;
    private bool disposed;

    private protected Optimizer(OptimizerKind kind, IEnumerable<Parameter> parameters, OptimizerSettings settings)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        this.parameters = OnceEach(parameters);
        CheckParameters(this.parameters);
        CheckRate(settings.LearningRate, "learningRate");
        this.settings = settings;
        Tensor first = this.parameters[0].Value;
        Device = first.Device;
        long total = this.parameters.Sum(parameter => parameter.Value.ElementCount);
        FirstMoment = Device.Allocate(first.DType, total);
        SecondMoment = Device.Allocate(first.DType, kind == OptimizerKind.AdamW ? total : 0);
        FirstMoment.Clear();
        SecondMoment.Clear();
        Device.Synchronize();
        segmentTable = Upload(MemoryMarshal.AsBytes<ParameterSegment>(Segments(this.parameters)));
        settingsMemory = Upload(MemoryMarshal.AsBytes(new ReadOnlySpan<OptimizerSettings>(in this.settings)));
        step = new SingleStep(Device, new OptimizerStep(kind, first.DType, 1, 2, 3, 4, this.parameters.Length, total) { Label = $"{kind} over {this.parameters.Length} tensors" });
    }

    /// <summary>Where the parameters are.</summary>
    public Device Device { get; }

    /// <summary>What it updates, in order.</summary>
    public IReadOnlyList<Parameter> Parameters => parameters;

    /// <summary>The first moments (AdamW) or the momentum (SGD) of all parameters, one after another: save it to resume.</summary>
    public Tensor FirstMoment { get; }

    /// <summary>The second moments of all parameters; empty for SGD.</summary>
    public Tensor SecondMoment { get; }

    /// <summary>η. Setting it writes to the device at once, so that a replayed CUDA graph uses it; steps in flight may use either value.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative or not finite.</exception>
    public float LearningRate
    {
        get => settings.LearningRate;
        set
        {
            CheckRate(value, nameof(value));
            settings.LearningRate = value;
            Publish(ref settings.LearningRate);
        }
    }

    /// <summary>Factor of the gradients: 1/(loss scale), or 1/(number of accumulated batches). Written to the device at once.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not finite.</exception>
    public float GradientScale
    {
        get => settings.GradientScale;
        set
        {
            if (!float.IsFinite(value))
            {
                throw new ArgumentOutOfRangeException(nameof(value), value, "expected a finite factor");
            }

            settings.GradientScale = value;
            Publish(ref settings.GradientScale);
        }
    }

    /// <summary>Whether each step sets the gradients to zero after using them; then <see cref="ZeroGradients"/> is not needed. Written to the device at once.</summary>
    public bool ClearsGradients
    {
        get => settings.ClearGradients != 0;
        set
        {
            settings.ClearGradients = value ? 1 : 0;
            Publish(ref settings.ClearGradients);
        }
    }

    /// <summary>Steps done, counted on the device (replays count): reading it waits for the device, setting it resumes a saved run.</summary>
    public int StepsDone
    {
        get
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            Device.CopyOut(AddressOf(ref settings.StepsDone), MemoryMarshal.AsBytes(new Span<int>(ref settings.StepsDone)), default);
            return settings.StepsDone;
        }

        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            settings.StepsDone = value;
            Publish(ref settings.StepsDone);
        }
    }

    /// <summary>One update of every parameter from its gradient.</summary>
    /// <param name="stream">Where the work goes.</param>
    public void Step(StreamHandle stream = default)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        step.Run(stream, segmentTable.DangerousGetHandle(), settingsMemory.DangerousGetHandle(), FirstMoment.Address, SecondMoment.ElementCount == 0 ? 0 : SecondMoment.Address);
    }

    /// <summary>Sets all gradients to zero, ordered on the stream.</summary>
    /// <param name="stream">Where the work goes.</param>
    public void ZeroGradients(StreamHandle stream = default)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        foreach (Parameter parameter in parameters)
        {
            parameter.Gradient.Clear(stream);
        }
    }

    /// <summary>Releases moments and tables; the parameters stay. Work in flight must be done.</summary>
    public void Dispose()
    {
        disposed = true;
        FirstMoment.Dispose();
        SecondMoment.Dispose();
        segmentTable.Dispose();
        settingsMemory.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected static void CheckFraction(float value, string name)
    {
        if (!(value >= 0 && value < 1))
        {
            throw new ArgumentOutOfRangeException(name, value, "expected a number from 0 to below 1");
        }
    }

    private protected static void CheckRate(float value, string name)
    {
        if (!(value >= 0 && float.IsFinite(value)))
        {
            throw new ArgumentOutOfRangeException(name, value, "expected a finite number of at least 0");
        }
    }

    /// <summary>A parameter that several layers share is listed by each of them, and updated once.</summary>
    private static Parameter[] OnceEach(IEnumerable<Parameter> parameters)
    {
        var shared = new HashSet<Parameter>(ReferenceEqualityComparer.Instance);
        return [.. parameters.Where(parameter => !parameter.IsShared || shared.Add(parameter))];
    }

    private static void CheckParameters(Parameter[] parameters)
    {
        if (parameters.Length == 0)
        {
            throw new ArgumentException("Expected at least one parameter; a layer without an update and without a trained bias has none.", nameof(parameters));
        }

        Tensor first = parameters[0].Value;
        var seen = new HashSet<Parameter>(ReferenceEqualityComparer.Instance);
        foreach (Parameter parameter in parameters)
        {
            Arguments.CheckPlace(parameter.Value, nameof(parameters), first.Device, first.DType);
            if (!seen.Add(parameter))
            {
                throw new ArgumentException($"The parameter {parameter.Name} is listed twice; it would be updated twice in a step.", nameof(parameters));
            }
        }
    }

    private static ParameterSegment[] Segments(Parameter[] parameters)
    {
        var segments = new ParameterSegment[parameters.Length];
        long offset = 0;
        for (int i = 0; i < parameters.Length; i++)
        {
            long count = parameters[i].Value.ElementCount;
            segments[i] = new ParameterSegment { Value = parameters[i].Value.Address, Gradient = parameters[i].Gradient.Address, Offset = offset, Count = count };
            offset += count;
        }

        return segments;
    }

    private SafeHandle Upload(ReadOnlySpan<byte> bytes)
    {
        SafeHandle memory = Device.AllocateMemory(bytes.Length);
        Device.CopyIn(memory.DangerousGetHandle(), bytes, default);
        return memory;
    }

    /// <summary>Where the device has this field of <see cref="settings"/>.</summary>
    private nint AddressOf<T>(ref T field) =>
        settingsMemory.DangerousGetHandle() + Unsafe.ByteOffset(ref Unsafe.As<OptimizerSettings, byte>(ref settings), ref Unsafe.As<T, byte>(ref field));

    /// <summary>Copies one field of <see cref="settings"/> to the device; never the others, since the device counts its steps itself.</summary>
    private void Publish<T>(ref T field) where T : unmanaged
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        Device.CopyIn(AddressOf(ref field), MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in field)), default);
    }
}
