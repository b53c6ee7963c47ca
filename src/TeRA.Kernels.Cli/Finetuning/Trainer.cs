using System.Globalization;
using TeRA.Kernels.Cli.Output;

namespace TeRA.Kernels.Cli.Finetuning;

/// <summary>Trains a network's parameters with AdamW: shuffled batches, the learning rate falling along a cosine.</summary>
internal sealed class Trainer(Device device, int batch, int seed, CancellationToken cancellation)
{
    private readonly float[] pixels = new float[batch * Digits.Pixels];
    private readonly int[] classes = new int[batch];

    /// <summary>Returns the mean loss of the last epoch.</summary>
    public double Train(Network network, Digits digits, int epochs, float learningRate, IProgressReport progress, string phase)
    {
        using var optimizer = new AdamW(network.Parameters, learningRate, weightDecay: 0);
        using Tensor images = device.Allocate(DType.Float32, batch, Digits.Pixels);
        using var labels = new Labels(device, batch);
        var random = new System.Random(seed);
        int[] order = [.. Enumerable.Range(0, digits.Count)];
        int batches = digits.Count / batch;
        double loss = double.NaN;
        progress.Begin(phase, epochs);
        optimizer.ZeroGradients();
        for (int epoch = 0; epoch < epochs; epoch++)
        {
            random.Shuffle(order);
            double sum = 0;
            for (int b = 0; b < batches; b++)
            {
                cancellation.ThrowIfCancellationRequested();
                optimizer.LearningRate = LearningRate(learningRate, (epoch * batches) + b, epochs * batches);
                sum += Step(network, optimizer, digits, order.AsSpan(b * batch, batch), images, labels);
            }

            loss = sum / batches;
            progress.Advance(epoch + 1, string.Create(CultureInfo.InvariantCulture, $"loss {loss:F4}"));
        }

        progress.End();
        return loss;
    }

    private double Step(Network network, AdamW optimizer, Digits digits, ReadOnlySpan<int> indices, Tensor images, Labels labels)
    {
        for (int i = 0; i < batch; i++)
        {
            digits.Images.AsSpan(indices[i] * Digits.Pixels, Digits.Pixels).CopyTo(pixels.AsSpan(i * Digits.Pixels));
            classes[i] = digits.Labels[indices[i]];
        }

        images.CopyFrom<float>(pixels);
        labels.CopyFrom(classes);
        Tensor loss = network.Backpropagate(images, labels);
        optimizer.Step();
        optimizer.ZeroGradients();
        Span<float> value = stackalloc float[1];
        loss.CopyTo(value);
        return value[0];
    }

    private static float LearningRate(float peak, int step, int steps) =>
        peak * (float)(0.5 * (1 + Math.Cos(Math.PI * step / steps)));
}
