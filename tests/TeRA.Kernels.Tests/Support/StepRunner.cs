using NUnit.Framework;
using TeRA.Kernels.Steps;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Support;

/// <summary>
/// Runs one step on a device with named arrays: each in its own guarded buffer, inputs checked to be unchanged, outputs and the
/// workspace filled with NaN beforehand. Beside it the same step by <see cref="NaiveSteps"/> on the same inputs.
/// </summary>
/// <example><code>
/// using var run = new StepRunner(device);
/// Operand a = run.Input("A", DType.Float32, values), c = run.Output("C", DType.Float32, m * n);
/// run.Run(new MatrixProductStep(a, b, c, m, n, k) { Label = "test" });
/// Check.That(Comparer.Within("C", run.Read(c), run.Expected(c), bound));
/// </code></example>
internal sealed class StepRunner(Device device) : IDisposable
{
    private readonly List<GuardedBuffer?> buffers = [null];
    private readonly Dictionary<int, byte[]> before = [];
    private Step? lastStep;

    /// <summary>What ran: the compiled step's description.</summary>
    public string Description { get; private set; } = "";

    /// <summary>Bytes by which the addresses of operands made from now on miss the alignment of 256.</summary>
    public int Misalignment { get; set; }

    /// <summary>An operand that the step only reads.</summary>
    public Operand Input(string name, DType dtype, double[] values) => new(Input(name, Elements.Encode(values, dtype)), dtype);

    /// <summary>Raw bytes that the step only reads: labels, segment tables.</summary>
    public int Input(string name, byte[] contents)
    {
        int slot = AddTable(name, contents);
        buffers[slot]!.Freeze();
        return slot;
    }

    /// <summary>An operand that the step reads and writes.</summary>
    public Operand InOut(string name, DType dtype, double[] values) => new(Add(name, Elements.Encode(values, dtype)), dtype);

    /// <summary>Raw bytes that the step reads and writes: settings.</summary>
    public int InOut(string name, byte[] contents) => AddTable(name, contents);

    /// <summary>An operand that the step overwrites; NaN until then.</summary>
    public Operand Output(string name, DType dtype, long count)
    {
        var contents = new byte[count * dtype.Size()];
        contents.AsSpan().Fill(0xFF);
        return new Operand(Add(name, contents), dtype);
    }

    /// <summary>The number of operands; their slots are 1…Slots.</summary>
    public int Slots => buffers.Count - 1;

    /// <summary>Where an operand lies, for segment tables.</summary>
    public nint AddressOf(int slot) => buffers[slot]!.Address;

    /// <summary>Compiles and runs the step and checks guard bands and inputs.</summary>
    public void Run(Step step)
    {
        lastStep = step;
        CompiledStep compiled = device.Compile(step);
        Description = compiled.Description;
        using var workspace = new GuardedBuffer(device, "workspace", compiled.WorkspaceBytes);
        nint[] addresses = [.. buffers.Select(buffer => buffer?.Address ?? workspace.Address)];
        compiled.Run(addresses, default);
        device.Synchronize();
        foreach (GuardedBuffer buffer in buffers.Skip(1).Append(workspace)!)
        {
            Assert.That(buffer.Damage(), Is.Null, $"{Description} for {step}");
        }
    }

    /// <summary>An operand's numbers, as the device left them.</summary>
    public double[] Read(Operand operand) => Elements.Decode(ReadBytes(operand.Slot), operand.DType);

    /// <summary>A slot's bytes, as the device left them.</summary>
    public byte[] ReadBytes(int slot) => buffers[slot]!.Read();

    /// <summary>The same operand by the reference, unrounded, from the contents before the last run.</summary>
    public double[] Expected(Operand operand, Magnitude magnitude = Magnitude.Value)
    {
        ArrayMemory memory = Reference(magnitude);
        return memory.Read(operand, before[operand.Slot].Length / operand.DType.Size());
    }

    /// <summary>All of the reference's memory after the last step.</summary>
    public ArrayMemory Reference(Magnitude magnitude = Magnitude.Value)
    {
        var memory = new ArrayMemory(before, address => buffers.FindIndex(1, buffer => buffer!.Address == address));
        new NaiveSteps(memory, magnitude).Run(lastStep ?? throw new InvalidOperationException("Run a step first."));
        return memory;
    }

    /// <summary>Sets every operand that a step may write back to what it was before the first run.</summary>
    public void Reset()
    {
        foreach ((int slot, byte[] contents) in before.Where(operand => !buffers[operand.Key]!.IsFrozen))
        {
            buffers[slot]!.Write(contents);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => buffers.ForEach(buffer => buffer?.Dispose());

    // Tables of structs are ours to place: they keep the alignment of their widest member, while tensors may lie at any element.
    private int AddTable(string name, byte[] contents) => Add(name, contents, (Misalignment + 15) / 16 * 16);

    private int Add(string name, byte[] contents) => Add(name, contents, Misalignment);

    private int Add(string name, byte[] contents, int misalignment)
    {
        var buffer = new GuardedBuffer(device, name, contents.Length, misalignment);
        buffer.Write(contents);
        buffers.Add(buffer);
        before[buffers.Count - 1] = contents;
        return buffers.Count - 1;
    }
}
