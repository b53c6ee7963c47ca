using NUnit.Framework;
using TeRA.Kernels.Cpu;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Tests.Cpu;

/// <summary>The CPU device itself: memory, threads, allocations, lifetime.</summary>
[TestFixture]
internal sealed class CpuDeviceTests
{
    [Test]
    public void Tensors_are_aligned_and_round_trip_in_every_dtype()
    {
        using var device = new CpuDevice(1);
        foreach (DType dtype in Enum.GetValues<DType>())
        {
            Assert.That(device.Supports(dtype), Is.True);
            using Tensor tensor = device.Allocate(dtype, 3, 5), empty = device.Allocate(dtype, 0);
            Assert.That((long)tensor.Address % 256, Is.Zero);
            Assert.That(empty.ElementCount, Is.Zero);
            tensor.Clear();
        }

        using Tensor values = device.From<double>([1, 2, 3], 3);
        Assert.That(values.ToArray<double>(), Is.EqualTo(new double[] { 1, 2, 3 }));
    }

    [TestCase(0)]
    [TestCase(-1)]
    [TestCase(1025)]
    public void A_senseless_number_of_threads_is_refused_by_name(int threads) =>
        Assert.That(() => new CpuDevice(threads), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("1 to 1024").And.Property("ParamName").EqualTo("threads"));

    [Test]
    public void The_shared_device_survives_disposal_and_others_do_not()
    {
        CpuDevice.Shared.Dispose();
        (Step step, nint[] addresses, Tensor[] tensors) = Product(CpuDevice.Shared);
        CpuDevice.Shared.Compile(step).Run(addresses, default);

        var own = new CpuDevice(2);
        CompiledStep compiled = own.Compile(step);
        own.Dispose();
        own.Dispose();
        Assert.That(() => compiled.Run(addresses, default), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => own.Compile(step), Throws.TypeOf<ObjectDisposedException>());
        Array.ForEach(tensors, tensor => tensor.Dispose());
    }

    [Test]
    public void Traits_follow_the_number_of_threads()
    {
        using CpuDevice one = new(1), two = new(2);
        Assert.That(two.Traits.Processors, Is.EqualTo(2));
        Assert.That(two.Traits.SingleOperationsPerSecond, Is.EqualTo(2 * one.Traits.SingleOperationsPerSecond));
        Assert.That(one.Name, Does.Contain("1 thread,").And.Contains(CpuDevice.VectorName));
    }

    [Test]
    public void An_unknown_step_is_refused_by_name() =>
        Assert.That(() => CpuDevice.Shared.Compile(new UnknownStep { Label = "mystery" }), Throws.TypeOf<NotSupportedException>().With.Message.Contains("UnknownStep (mystery)"));

    [Test]
    public void Many_threads_may_run_steps_of_one_device_at_once()
    {
        using var device = new CpuDevice(3);
        (Step step, nint[] addresses, Tensor[] tensors) = Product(device);
        CompiledStep compiled = device.Compile(step);
        compiled.Run(addresses, default);
        float[] expected = tensors[^1].ToArray<float>();
        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            using Tensor result = device.Allocate(DType.Float32, 70, 65);
            nint[] own = [.. addresses[..^1], result.Address];
            CompiledStep mine = i % 2 == 0 ? compiled : device.Compile(step);
            for (int repeat = 0; repeat < 50; repeat++)
            {
                result.Clear();
                mine.Run(own, default);
                Assert.That(result.ToArray<float>(), Is.EqualTo(expected));
            }
        });
        Array.ForEach(tensors, tensor => tensor.Dispose());
    }

    [Test]
    public void A_failure_on_a_worker_reaches_the_caller_and_the_pool_goes_on()
    {
        using var pool = new WorkerPool(3);
        var step = new FailingStep(pool);
        for (int i = 0; i < 100; i++)
        {
            Assert.That(() => step.Run([], default), Throws.TypeOf<InvalidTimeZoneException>());
        }

        step.Fails = false;
        step.Run([], default);
        Assert.That(step.Done, Is.EqualTo(64));
    }

    [Test]
    public void Running_a_step_allocates_nothing()
    {
        foreach (CpuDevice device in CpuCase.Devices)
        {
            var tensors = new List<Tensor>();
            List<nint> slots = [0];
            foreach (Step step in Steps(device, tensors, slots))
            {
                CompiledStep compiled = device.Compile(step);
                nint[] addresses = [.. slots];
                Assert.That(compiled.WorkspaceBytes, Is.Zero);
                Assert.That(compiled.Launches, Is.Zero);
                Assert.That(LeastAllocation(compiled, addresses), Is.Zero, $"bytes allocated by {compiled.Description}");
            }

            tensors.ForEach(tensor => tensor.Dispose());
        }
    }

    /// <summary>
    /// The runtime may allocate once (a type's statics when a thread first comes to it, a lock's first contention), and other threads of
    /// the test process allocate too: so the least of several counts, of this thread and of the whole process, decides.
    /// </summary>
    private static long LeastAllocation(CompiledStep compiled, nint[] addresses)
    {
        compiled.Run(addresses, default);
        long least = long.MaxValue;
        for (int attempt = 0; attempt < 50 && least > 0; attempt++)
        {
            long mine = GC.GetAllocatedBytesForCurrentThread(), all = GC.GetTotalAllocatedBytes(precise: true);
            compiled.Run(addresses, default);
            long everyone = GC.GetTotalAllocatedBytes(precise: true) - all;
            least = Math.Min(least, Math.Max(everyone, GC.GetAllocatedBytesForCurrentThread() - mine));
        }

        return least;
    }

    private static List<Step> Steps(CpuDevice device, List<Tensor> tensors, List<nint> slots)
    {
        Operand New(DType dtype, long count)
        {
            Tensor tensor = device.Allocate(dtype, count);
            tensor.Clear();
            tensors.Add(tensor);
            slots.Add(tensor.Address);
            return new Operand(slots.Count - 1, dtype);
        }

        var core = new CoreSource(new RandomSource(1, Distribution.Normal), 0, 70, 90);
        List<Step> steps = [];
        foreach (DType dtype in Enum.GetValues<DType>())
        {
            DType wide = dtype.ParameterDType();
            Operand a = New(dtype, 90 * 200), b = New(dtype, 90 * 200), c = New(dtype, 200 * 200), v = New(wide, 200), w = New(wide, 200), x = New(wide, 200), y = New(wide, 200);
            steps.AddRange(
            [
                new MatrixProductStep(a, b, c, 200, 200, 90) { Label = "", Bias = New(dtype, 200) },
                new CoreProductStep(a, c, 200, core) { Label = "", Scale = v },
                new CoreProjectionStep(a, b, v, w, x, y, 200, core) { Label = "" },
                new KroneckerStep(a, c, 200, 1, [new(1, 9, 4, true), new(2, 10, 3, true)], core.Source) { Label = "", InputScale = v },
                new KroneckerStep(New(dtype, 2 * 600), c, 2, 1, [new(1, 600, 500, true)], core.Source) { Label = "" },
                new OuterVectorsStep([new(v, 10), new(w, 20)], x) { Label = "" },
                new VectorMarginalsStep(New(wide, 200), [new(v, 10), new(w, 20)], [x, y]) { Label = "" },
                new ConvertStep(a, New(DType.BFloat16, 18000), 18000) { Label = "" },
                new ScaledAddStep(a, b, c, 18000) { Label = "" },
                new ColumnSumStep(a, x, 90, 200) { Label = "" },
                new FillRandomStep(c, core) { Label = "" },
                new ActivationStep(ActivationKind.Gelu, a, b, 18000) { Label = "" },
                new ActivationGradientStep(ActivationKind.Gelu, a, b, c, 18000) { Label = "" },
                new MeanSquaredErrorStep(a, b, x, c, 90, 200) { Label = "" },
                new SoftmaxCrossEntropyStep(a, New(DType.Float32, 90).Slot, x, c, 90, 200) { Label = "" },
            ]);
        }

        Operand segments = New(DType.Float32, 0);
        steps.Add(new OptimizerStep(OptimizerKind.AdamW, DType.Float32, segments.Slot, New(DType.Float32, 8).Slot, segments.Slot, segments.Slot, 0, 0) { Label = "" });
        return steps;
    }

    private static (Step Step, nint[] Addresses, Tensor[] Tensors) Product(CpuDevice device)
    {
        Tensor[] tensors =
        [
            device.From<float>([.. CpuCase.Values(70 * 300, 1).Select(x => (float)x)], 70, 300),
            device.From<float>([.. CpuCase.Values(300 * 65, 2).Select(x => (float)x)], 300, 65),
            device.Allocate(DType.Float32, 70, 65),
        ];
        var step = new MatrixProductStep(new(1, DType.Float32), new(2, DType.Float32), new(3, DType.Float32), 70, 65, 300) { Label = "product" };
        return (step, [0, .. tensors.Select(tensor => tensor.Address)], tensors);
    }

    private sealed record UnknownStep : Step
    {
        public override double Operations => 0;

        public override double Bytes => 0;
    }

    private sealed unsafe class FailingStep(WorkerPool pool) : CpuStep(pool, "failing")
    {
        private int done;

        public bool Fails { get; set; } = true;

        public int Done => done;

        internal override void RunItem(int phase, long item, byte* scratch)
        {
            if (Fails && item == 5)
            {
                throw new InvalidTimeZoneException("planted");
            }

            Interlocked.Increment(ref done);
        }

        protected override void Execute(ReadOnlySpan<nint> addresses)
        {
            done = 0;
            Pool.Run(this, 0, 64);
        }
    }
}
