using NUnit.Framework;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Autograd;

/// <summary>A whole training step captured in a CUDA graph does what the eager step does, also with changed inputs.</summary>
[TestFixture]
[Category("Gpu")]
internal sealed class GraphCaptureTests
{
    private CudaDevice? cuda;

    [OneTimeSetUp]
    public void Open() => cuda = OpenCuda.OrIgnore();

    [OneTimeTearDown]
    public void Close() => cuda?.Dispose();

    [Test]
    public void Replays_equal_eager_steps_in_every_bit(
        [Values(ExecutionPath.Merged, ExecutionPath.Factored)] ExecutionPath path, [Values(DType.Float32, DType.BFloat16)] DType dtype)
    {
        using CudaStream stream = cuda!.CreateStream();
        using var eager = new TrainingStep(cuda, dtype, stream.Handle, path);
        using var captured = new TrainingStep(cuda, dtype, stream.Handle, path);
        eager.Run();
        captured.Run();
        stream.Synchronize();
        stream.BeginCapture();
        captured.Run();
        using CudaGraph graph = stream.EndCapture();
        for (ulong step = 0; step < 5; step++)
        {
            double[] input = SeededValues.Normal(eager.X.ElementCount, 100 + step, dtype);
            LayerFixture.Write(eager.X, input);
            LayerFixture.Write(captured.X, input);
            eager.Optimizer.LearningRate = captured.Optimizer.LearningRate = 0.01f / (step + 1);
            eager.Run();
            graph.Launch(stream.Handle);
            stream.Synchronize();
            Assert.That(captured.Trained(), Is.EqualTo(eager.Trained()), $"step {step}");
            Assert.That(LayerFixture.Read(captured.Loss!), Is.EqualTo(LayerFixture.Read(eager.Loss!)), $"step {step}");
        }

        Assert.That(captured.Optimizer.StepsDone, Is.EqualTo(6));
    }
}
