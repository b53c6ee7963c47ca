using System.Runtime.InteropServices;

namespace TeRA.Kernels.Cuda;

/// <summary>
/// The kernels of one device, loaded on first use and kept as long as its context. Safe to use from any thread; different kernels
/// compile side by side, the same one only once.
/// </summary>
internal sealed unsafe class KernelLibrary
{
    private readonly OnceMap<KernelRequest, CudaKernel> kernels = new();
    private readonly OnceMap<KernelRequest, ModuleHandle> modules = new();
    private readonly CudaDevice device;
    private readonly Lazy<KernelCompiler> compiler;

    /// <summary>An empty library. NVRTC is looked for when the first kernel is asked for.</summary>
    public KernelLibrary(CudaDevice device, CudaOptions options)
        : this(device, () => KernelCompiler.Create(options))
    {
    }

    /// <summary>An empty library on a compiler of the caller's.</summary>
    public KernelLibrary(CudaDevice device, Func<KernelCompiler> compiler)
    {
        this.device = device;
        this.compiler = new Lazy<KernelCompiler>(compiler);
        Architecture = KernelArchitecture.Target(device.ComputeCapability.Major, device.ComputeCapability.Minor);
    }

    /// <summary>What kernels are compiled for, for example <c>sm_90a</c>.</summary>
    public string Architecture { get; }

    /// <summary>The kernel of <paramref name="request"/>: from memory, the disk cache, or NVRTC.</summary>
    /// <exception cref="KernelCompilationException">It does not compile.</exception>
    /// <exception cref="DeviceUnavailableException">NVRTC is missing.</exception>
    public CudaKernel Load(KernelRequest request) => kernels.GetOrCreate(request, Create);

    private CudaKernel Create(KernelRequest request)
    {
        ModuleHandle module = modules.GetOrCreate(request with { Entry = string.Empty }, LoadModule);
        using PrimaryContext.Scope scope = device.Context.Enter();
        byte* name = (byte*)Marshal.StringToCoTaskMemUTF8(request.Entry);
        try
        {
            nint function;
            CudaResult result = device.Context.Driver.cuModuleGetFunction(&function, module.Value, name);
            return result == CudaResult.Success
                ? new CudaKernel(device, function, request.Entry)
                : throw device.Context.Failure(result, nameof(DriverTable.cuModuleGetFunction), $"Asked for {request}.");
        }
        finally
        {
            Marshal.FreeCoTaskMem((nint)name);
        }
    }

    private ModuleHandle LoadModule(KernelRequest request)
    {
        CompiledKernel kernel = compiler.Value.Compile(request, Architecture);
        using PrimaryContext.Scope scope = device.Context.Enter();
        CudaResult result = TryLoad(kernel.Cubin, out nint module);
        if (result is CudaResult.InvalidImage or CudaResult.NoBinaryForDevice && kernel.FromCache)
        {
            // The entry was whole, and yet the driver does not want it: made by a compiler that lied about its version, say.
            result = TryLoad(compiler.Value.Compile(request, Architecture, fresh: true).Cubin, out module);
        }

        return result == CudaResult.Success
            ? new ModuleHandle(device.Context, module)
            : throw device.Context.Failure(result, nameof(DriverTable.cuModuleLoadData), $"kernels/{request.File} for {Architecture} on {device.Name}.");
    }

    private CudaResult TryLoad(byte[] cubin, out nint module)
    {
        nint loaded = 0;
        fixed (byte* image = cubin)
        {
            CudaResult result = device.Context.Driver.cuModuleLoadData(&loaded, image);
            module = loaded;
            return result;
        }
    }
}
