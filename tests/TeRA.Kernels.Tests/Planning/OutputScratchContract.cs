using NUnit.Framework;
using TeRA.Kernels.Planning;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Planning;

/// <summary>Layers whose scratch lies in Y and dX until these are written give the bits of the same steps with every buffer in memory of its own.</summary>
internal abstract class OutputScratchContract
{
    private static readonly TeraUpdate Small = new([4, 4], [6, 7], [3, 5], [5, 8]);
    private static readonly TeraUpdate Square = new([16, 16], [16, 16], [16, 16], [16, 16]);

    protected abstract Device Device { get; }

    public static IEnumerable<TestCaseData> Cases =>
        from problem in new (WeightUpdate Update, long Tokens)[] { (Small, 257), (Square, 600), (Square, 256), (new TeraUpdate([4, 64], [8, 64], [4, 64], [8, 64]), 700), (new LowRankUpdate(48, 64, 8), 96) }
        from dtype in new[] { DType.Float32, DType.BFloat16 }
        from path in new[] { ExecutionPath.Merged, ExecutionPath.Factored }
        from policy in Enum.GetValues<WeightPolicy>()
        select new TestCaseData(problem.Update, problem.Tokens, dtype, path, policy)
            .SetArgDisplayNames($"{problem.Update.Method} {problem.Update.OutFeatures}x{problem.Update.InFeatures}, {problem.Tokens}", dtype.Label(), $"{path}", $"{policy}");

    [TestCaseSource(nameof(Cases))]
    public void Every_bit_is_that_of_scratch_apart(WeightUpdate update, long tokens, DType dtype, ExecutionPath path, WeightPolicy policy)
    {
        LayerData data = LayerData.Normal(update, tokens, dtype, bias: true);
        using var step = new Step(Device, data, new AdaptedLinearOptions { Path = path, BackwardPath = path, WeightPolicy = policy });
        foreach (int misalignment in new[] { 0, dtype.Size(), 256 - dtype.Size() })
        {
            byte[][] expected = step.Apart(misalignment), actual = step.Layer(misalignment);
            Assert.That(actual, Has.Length.EqualTo(expected.Length));
            for (int i = 0; i < expected.Length; i++)
            {
                Assert.That(actual[i].AsSpan().SequenceEqual(expected[i]), $"{step.Names[i]}, {misalignment} bytes off");
            }
        }
    }

    [Test]
    public void The_cases_borrow()
    {
        int[] borrowing = [.. Cases.Select(entry =>
        {
            var update = (WeightUpdate)entry.Arguments[0]!;
            LayerPlan plan = LayerPlanner.Plan(
                new LayerProblem((long)entry.Arguments[1]!, update.OutFeatures, update.InFeatures, (DType)entry.Arguments[2]!) { Update = update, Path = (ExecutionPath)entry.Arguments[3]!, WeightPolicy = (WeightPolicy)entry.Arguments[4]! },
                Device.Traits);
            return new[] { plan.Forward, plan.Backward }.Count(pass => pass.Buffers.Any(buffer => buffer.Host is not null));
        })];
        Assert.That(borrowing.Count(passes => passes == 2), Is.GreaterThan(borrowing.Length / 4));
    }

    [Test]
    public void A_tape_gives_the_same_step_twice()
    {
        using Tensor weight = Normal(1, 256, 256), other = Normal(2, 256, 256), x = Normal(3, 600, 256), target = Normal(4, 600, 256);
        using var first = new AdaptedLinear(Device, weight, null, Square, new AdaptedLinearOptions { Path = ExecutionPath.Merged });
        using var second = new AdaptedLinear(Device, other, null, Square, new AdaptedLinearOptions { Path = ExecutionPath.Merged });
        LayerRunner.Load(first, LayerData.Normal(Square, 1, DType.Float32, bias: false));
        LayerRunner.Load(second, LayerData.Normal(Square, 1, DType.Float32, bias: false, seed: 7));
        Assert.That(second.Plan(600).Backward.Buffers.Any(buffer => buffer.Host is not null), "or nothing is tested");
        using var tape = new Tape(Device);
        double[][] Step()
        {
            first.ZeroGradients();
            second.ZeroGradients();
            tape.Reset();
            Tensor hidden = tape.Gelu(tape.Linear(first, x)), loss = tape.MeanSquaredError(tape.Add(tape.Linear(second, hidden), tape.Linear(second, hidden)), target);
            tape.Backward(loss);
            Device.Synchronize();
            return [LayerRunner.Download(loss), .. first.Parameters.Concat(second.Parameters).Select(parameter => LayerRunner.Download(parameter.Gradient))];
        }

        double[][] once = Step(), again = Step();
        Assert.That(again, Is.EqualTo(once));
        Assert.That(once.SelectMany(values => values), Is.All.Matches<double>(double.IsFinite).And.Some.Not.Zero);
    }

    private Tensor Normal(ulong seed, params ReadOnlySpan<long> shape)
    {
        Tensor tensor = Device.Allocate(DType.Float32, shape);
        return LayerRunner.Upload(tensor, SeededValues.Normal(tensor.ElementCount, seed, DType.Float32, 0.1));
    }

    /// <summary>Forward and twice backward of one layer, through the layer itself or through its plan's steps with scratch apart.</summary>
    private sealed class Step : IDisposable
    {
        private readonly Device device;
        private readonly LayerData data;
        private readonly Tensor weight;
        private readonly Tensor bias;
        private readonly Tensor x;
        private readonly Tensor dy;
        private readonly AdaptedLinear layer;

        public Step(Device device, LayerData data, AdaptedLinearOptions options)
        {
            this.device = device;
            this.data = data;
            weight = LayerRunner.Upload(device.Allocate(data.DType, data.OutFeatures, data.InFeatures), data.Weight);
            bias = LayerRunner.Upload(device.Allocate(data.DType, data.OutFeatures), data.Bias!);
            x = LayerRunner.Upload(device.Allocate(data.DType, data.Tokens, data.InFeatures), data.X);
            dy = LayerRunner.Upload(device.Allocate(data.DType, data.Tokens, data.OutFeatures), data.OutputGradient);
            layer = new AdaptedLinear(device, weight, bias, data.Update, options);
            LayerRunner.Load(layer, data);
        }

        public string[] Names => ["Y", "dX", .. layer.Parameters.Select(parameter => parameter.Name)];

        public byte[][] Layer(int misalignment) => Results(misalignment, (y, dx) =>
        {
            using var context = new LayerContext();
            layer.Forward(x, y, context);
            layer.Backward(context, x, dy, dx);
            layer.Backward(context, x, dy, dx);
            device.Synchronize();
        });

        public byte[][] Apart(int misalignment) => Results(misalignment, (y, dx) =>
        {
            LayerPlan plan = layer.Plan(data.Tokens);
            var addresses = new LayerAddresses(weight, bias, [.. layer.Parameters], []);
            using Tensor kept = device.Allocate(DType.Float32, Math.Max(plan.KeptBytes / sizeof(float), 1));
            using var arena = new ScratchArena(device);
            Run(plan.Forward, new CallAddresses(x.Address, y.Address, 0, 0, kept.Address));
            Run(plan.Backward, new CallAddresses(x.Address, 0, dy.Address, dx.Address, kept.Address));
            Run(plan.Backward, new CallAddresses(x.Address, 0, dy.Address, dx.Address, kept.Address));
            device.Synchronize();

            void Run(LayerPass pass, in CallAddresses call) => new CompiledPass(device, ScratchPlaces.Apart(pass)).Run(addresses, call, arena, default);
        });

        public void Dispose()
        {
            layer.Dispose();
            Array.ForEach([weight, bias, x, dy], tensor => tensor.Dispose());
        }

        // Y and dX are NaN before they are written, and what lies around them must stay.
        private byte[][] Results(int misalignment, Action<Tensor, Tensor> run)
        {
            using var y = new GuardedBuffer(device, "Y", data.Tokens * data.OutFeatures * data.DType.Size(), misalignment);
            using var dx = new GuardedBuffer(device, "dX", data.Tokens * data.InFeatures * data.DType.Size(), misalignment);
            layer.ZeroGradients();
            run(device.View(y.Address, data.DType, data.Tokens, data.OutFeatures), device.View(dx.Address, data.DType, data.Tokens, data.InFeatures));
            Assert.That((y.Damage(), dx.Damage()), Is.EqualTo(((string?)null, (string?)null)));
            return [y.Read(), dx.Read(), .. layer.Parameters.Select(parameter => Bytes(parameter.Gradient))];
        }

        private static byte[] Bytes(Tensor tensor)
        {
            var bytes = new byte[tensor.ByteCount];
            tensor.Device.CopyOut(tensor.Address, bytes, default);
            return bytes;
        }
    }
}

/// <summary>On the CPU.</summary>
internal sealed class CpuOutputScratchTests : OutputScratchContract
{
    protected override Device Device => DeviceUnderTest.Cpu;
}

/// <summary>A GPU's plans on the CPU: other steps, in 16 bits.</summary>
internal sealed class PlannedOutputScratchTests : OutputScratchContract
{
    protected override Device Device { get; } = new PlanningFor(DeviceUnderTest.Cpu, DeviceTraits.H100 with { HalfOperationsPerSecond = 1e9, SingleOperationsPerSecond = 1e11 });
}

/// <summary>On the GPU, and the memory of the layer that the benchmarks measure.</summary>
[Category("Gpu")]
internal sealed class CudaOutputScratchTests : OutputScratchContract
{
    protected override Device Device => DeviceUnderTest.Cuda;

    [Test]
    public void Full_rank_allocates_one_matrix([Values(4096, 8192)] long tokens)
    {
        var device = new CountingDevice(Device);
        var update = new TeraUpdate([16, 16, 16], [16, 16, 16], [16, 16, 16], [16, 16, 16]);
        using Tensor weight = device.Allocate(DType.BFloat16, 4096, 4096), x = device.Allocate(DType.BFloat16, tokens, 4096), y = device.Allocate(DType.BFloat16, tokens, 4096);
        using Tensor dy = device.Allocate(DType.BFloat16, tokens, 4096), dx = device.Allocate(DType.BFloat16, tokens, 4096);
        Array.ForEach([weight, x, dy], tensor => tensor.Clear());
        using var layer = new AdaptedLinear(device, weight, null, update);
        using var context = new LayerContext();
        LayerPlan plan = layer.Plan(tokens);
        long before = device.Held;
        layer.Forward(x, y, context);
        layer.Backward(context, x, dy, dx);
        device.Synchronize();
        Assert.That(device.Held - before, Is.EqualTo(plan.ScratchBytes + plan.KeptBytes));
        Assert.That(device.Held - before - plan.WorkspaceBytes, Is.InRange(BorrowedOutputTests.Matrix, BorrowedOutputTests.Matrix + BorrowedOutputTests.Short));
        device.Dispose();
    }
}
