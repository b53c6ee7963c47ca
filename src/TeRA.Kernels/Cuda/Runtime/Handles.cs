namespace TeRA.Kernels.Cuda;

/// <summary>Device memory.</summary>
internal sealed class DeviceMemoryHandle(PrimaryContext context, nint value) : CudaHandle(context, value)
{
    /// <inheritdoc/>
    protected override bool Destroy(DriverTable driver, nint value) => driver.cuMemFree_v2(value).Note(Context);
}

/// <summary>Page-locked host memory.</summary>
internal sealed class HostMemoryHandle(PrimaryContext context, nint value) : CudaHandle(context, value)
{
    /// <inheritdoc/>
    protected override bool Destroy(DriverTable driver, nint value) => driver.cuMemFreeHost(value).Note(Context);
}

/// <summary>A stream.</summary>
internal sealed class StreamObjectHandle(PrimaryContext context, nint value, bool ownedByContext) : CudaHandle(context, value, ownedByContext)
{
    /// <inheritdoc/>
    protected override bool Destroy(DriverTable driver, nint value) => driver.cuStreamDestroy_v2(value).Note(Context);
}

/// <summary>An event.</summary>
internal sealed class EventHandle(PrimaryContext context, nint value) : CudaHandle(context, value)
{
    /// <inheritdoc/>
    protected override bool Destroy(DriverTable driver, nint value) => driver.cuEventDestroy_v2(value).Note(Context);
}

/// <summary>A loaded cubin; the context keeps it as long as itself, so that a kernel can't be unloaded under a launch.</summary>
internal sealed class ModuleHandle(PrimaryContext context, nint value) : CudaHandle(context, value, ownedByContext: true)
{
    /// <inheritdoc/>
    protected override bool Destroy(DriverTable driver, nint value) => driver.cuModuleUnload(value).Note(Context);
}

/// <summary>A captured graph, alive from the end of capture to its instantiation.</summary>
internal sealed class GraphHandle(PrimaryContext context, nint value) : CudaHandle(context, value)
{
    /// <inheritdoc/>
    protected override bool Destroy(DriverTable driver, nint value) => driver.cuGraphDestroy(value).Note(Context);
}

/// <summary>An instantiated graph.</summary>
internal sealed class GraphExecutableHandle(PrimaryContext context, nint value) : CudaHandle(context, value)
{
    /// <inheritdoc/>
    protected override bool Destroy(DriverTable driver, nint value) => driver.cuGraphExecDestroy(value).Note(Context);
}
