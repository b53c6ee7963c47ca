using TeRA.Kernels.Planning;

namespace TeRA.Kernels.Benchmarks.Measuring;

/// <summary>
/// One layer on which compiled plans are compared: all of them on the same trained tensors with random values, and on W0, X and dY of every set of inputs by
/// turns. A plan is compiled once for all sets.
/// </summary>
internal sealed class PlannedLayer : IDisposable
{
    private readonly CudaDevice device;
    private readonly LayerInputs inputs;
    private readonly Tensor[] bases;
    private readonly LayerAdapter adapter;
    private readonly LayerAddresses[] addresses;
    private readonly Tensor kept;

    /// <summary>Allocates the trained tensors and what the longest context needs.</summary>
    public PlannedLayer(CudaDevice device, LayerInputs inputs, WeightUpdate update, long keptBytes)
    {
        (this.device, this.inputs) = (device, inputs);
        bases = [.. update.Stored.Select(tensor => DeviceData.Normal(device, tensor.DType, 0.1, [.. tensor.Shape]))];
        adapter = LayerAdapter.Create("measured", device, DType.Float32, update, new GivenTensors { Stored = bases }, static _ => { });
        foreach (Parameter parameter in adapter.Parameters)
        {
            DeviceData.FillNormal(device, parameter.Value, 0.1);
        }

        addresses = [.. inputs.Weights.Select(weight => new LayerAddresses(weight, null, [.. adapter.Parameters], adapter.Stored))];
        kept = device.Allocate(DType.Float32, (keptBytes / sizeof(float)) + 1);
    }

    /// <summary>Submits a step of every set, one after another.</summary>
    public void Steps(LayerProgram program, StreamHandle stream)
    {
        ScratchArena arena = device.Scratch.Of(stream);
        for (int set = 0; set < inputs.Sets; set++)
        {
            var call = new CallAddresses(inputs.Input(set).Address, inputs.Output(set).Address, inputs.OutputGradient(set).Address, inputs.InputGradient(set).Address, kept.Address);
            program.Forward.Run(addresses[set], call, arena, stream);
            program.Backward.Run(addresses[set], call, arena, stream);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        adapter.Dispose();
        Array.ForEach([.. bases, kept], tensor => tensor.Dispose());
    }
}
