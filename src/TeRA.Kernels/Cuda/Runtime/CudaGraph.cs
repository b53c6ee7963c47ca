using TeRA.Kernels.Cuda;

namespace TeRA.Kernels;

/// <summary>
/// Recorded work that is launched as one. The addresses are those of the capture: the tensors must stay alive, and change between
/// launches by being written, not by being replaced.
/// </summary>
public sealed unsafe class CudaGraph : IDisposable
{
    private readonly CudaDevice device;
    private readonly GraphExecutableHandle handle;

    private CudaGraph(CudaDevice device, GraphExecutableHandle handle, long nodeCount)
    {
        this.device = device;
        this.handle = handle;
        NodeCount = nodeCount;
    }

    /// <summary>Kernels, copies and fills that were recorded.</summary>
    public long NodeCount { get; }

    /// <summary>Runs the recorded work on <paramref name="stream"/>. Allocates nothing and does not wait.</summary>
    public void Launch(StreamHandle stream = default)
    {
        using PrimaryContext.Scope scope = device.Context.Enter();
        device.Context.Driver.cuGraphLaunch(handle.Value, device.Resolve(stream)).Check(device.Context);
    }

    /// <summary>Releases the graph; a launch in flight goes on to its end.</summary>
    public void Dispose() => handle.Dispose();

    internal static CudaGraph Instantiate(CudaDevice device, GraphHandle graph)
    {
        nuint nodes;
        nint executable;
        device.Context.Driver.cuGraphGetNodes(graph.Value, null, &nodes).Check(device.Context);
        device.Context.Driver.cuGraphInstantiateWithFlags(&executable, graph.Value, 0).Check(device.Context);
        return new CudaGraph(device, new GraphExecutableHandle(device.Context, executable), (long)nodes);
    }
}
