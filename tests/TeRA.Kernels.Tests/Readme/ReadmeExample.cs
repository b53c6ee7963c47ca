namespace TeRA.Kernels.Tests.Readme;

/// <summary>The README's example, compiled.</summary>
internal static class ReadmeExample
{
    public static void Run()
    {
        // <example>
        using Device device = Device.Open("auto");                               // the best there is: cuda:0, or the CPU
        using Tensor weight = device.From<float>(RandomWeight(256 * 64), 256, 64);  // W0, [N, K], frozen
        var update = new TeraUpdate([16, 16], [16, 16], [8, 8], [8, 8], seed: 42);  // 48 trained numbers, rank up to 64
        using var layer = new AdaptedLinear(device, weight, bias: null, update);
        using var optimizer = new AdamW(layer.Parameters, learningRate: 0.05f);
        using var tape = new Tape(device);
        using Tensor x = device.From<float>(RandomWeight(32 * 64), 32, 64), target = device.From<float>(RandomWeight(32 * 256), 32, 256);

        for (int step = 0; step < 100; step++)
        {
            tape.Reset();                                                        // the same nodes and buffers again: no allocation
            Tensor loss = tape.MeanSquaredError(tape.Linear(layer, x), target);
            tape.Backward(loss);
            optimizer.Step();
            optimizer.ZeroGradients();
        }

        Console.WriteLine(layer.Explain(tokens: 32));                            // what ran, and why

        static float[] RandomWeight(int count)
        {
            var values = new float[count];
            RandomFactor.Fill(values, new RandomSource(7, Distribution.Normal), stream: 0);
            return values;
        }
        // </example>
    }
}
