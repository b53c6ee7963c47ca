using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TeRA.Kernels.Cuda;

namespace TeRA.Kernels.Tests.Cuda;

/// <summary>
/// A driver in memory: device memory is host memory, work happens at once, kernels do nothing. It knows every object alive, refuses what
/// the real one refuses (unknown handles, double frees, a context that is not current), counts its calls, and fails the one it is told to.
/// </summary>
internal sealed unsafe class FakeDriver : DriverTable
{
    public const int Device = 7;
    public const nint ContextHandle = 0xC0DE;
    public const int ArgumentBytes = 32;

    [ThreadStatic]
    private static nint current;

    private readonly ConcurrentDictionary<nint, string> alive = new();
    private readonly ConcurrentDictionary<nint, bool> capturing = new();
    private readonly ConcurrentDictionary<string, int> calls = new();
    private readonly nint errorName = Marshal.StringToCoTaskMemUTF8("CUDA_ERROR_FAKE");
    private readonly nint errorText = Marshal.StringToCoTaskMemUTF8("a fault of the test");
    private long nextHandle = 0x1000;
    private int retained;
    private int callsAfterLoss;
    private CudaResult sticky;

    /// <summary>The function to fail; null for none.</summary>
    public string? FailingCall { get; init; }

    /// <summary>Which of its calls, from 1; 0 for every one.</summary>
    public int FailingOccurrence { get; init; } = 1;

    /// <summary>What it answers instead.</summary>
    public CudaResult FailingResult { get; init; } = (CudaResult)999;

    /// <summary>Devices it offers.</summary>
    public int DeviceCount { get; init; } = 1;

    /// <summary>Images that cuModuleLoadData refuses, from the first on.</summary>
    public int RefusedImages { get; set; }

    /// <summary>The attributes of the last kernel launch.</summary>
    public LaunchAttribute[] LastAttributes { get; private set; } = [];

    /// <summary>Whether <see cref="Launches"/> is kept, which allocates.</summary>
    public bool RecordsLaunches { get; set; } = true;

    /// <summary>How often each function was called.</summary>
    public IReadOnlyDictionary<string, int> Calls => calls;

    /// <summary>The objects alive, with the function that made each.</summary>
    public IReadOnlyCollection<string> Alive => [.. alive.Values];

    /// <summary>Retains less releases of the primary context.</summary>
    public int Retained => retained;

    /// <summary>Calls made after a fatal error, questions about error texts aside.</summary>
    public int CallsAfterLoss => callsAfterLoss;

    /// <summary>Kernels and graphs launched, with the stream.</summary>
    public ConcurrentQueue<(string What, nint Stream)> Launches { get; } = new();

    /// <summary>The context current on this thread.</summary>
    public static nint Current
    {
        get => current;
        set => current = value;
    }

    public CudaRuntime Runtime => CudaRuntime.Initialize(this, "fake driver");

    public override CudaResult cuInit(uint flags) => Enter(context: false);

    public override CudaResult cuDriverGetVersion(int* version) => Answer(version, 13000, context: false);

    public override CudaResult cuGetErrorName(CudaResult error, byte** text)
    {
        *text = (byte*)errorName;
        return Planned(nameof(cuGetErrorName));
    }

    public override CudaResult cuGetErrorString(CudaResult error, byte** text)
    {
        *text = (byte*)errorText;
        return Planned(nameof(cuGetErrorString));
    }

    public override CudaResult cuDeviceGetCount(int* count) => Answer(count, DeviceCount, context: false);

    public override CudaResult cuDeviceGet(int* device, int ordinal) => Answer(device, Device + ordinal, context: false);

    public override CudaResult cuDeviceGetName(byte* name, int length, int device)
    {
        CudaResult result = Enter(context: false);
        "Fake GPU\0"u8.CopyTo(new Span<byte>(name, length));
        return result;
    }

    public override CudaResult cuDeviceGetAttribute(int* value, int attribute, int device) => Answer(
        value, attribute switch { 13 => 1_980_000, 16 => 132, 36 => 2_619_000, 37 => 5120, 75 => 9, 76 => 0, 97 => 232_448, _ => 0 }, context: false);

    public override CudaResult cuDeviceTotalMem_v2(nuint* bytes, int device)
    {
        *bytes = 80u << 20;
        return Enter(context: false);
    }

    public override CudaResult cuDevicePrimaryCtxRetain(nint* context, int device)
    {
        CudaResult result = Enter(context: false);
        if (result == CudaResult.Success)
        {
            *context = ContextHandle;
            Interlocked.Increment(ref retained);
        }

        return result;
    }

    public override CudaResult cuDevicePrimaryCtxRelease_v2(int device)
    {
        CudaResult result = Enter(context: false);
        return result != CudaResult.Success ? result
            : Interlocked.Decrement(ref retained) < 0 ? CudaResult.InvalidContext
            : CudaResult.Success;
    }

    public override CudaResult cuCtxGetCurrent(nint* context)
    {
        CudaResult result = Enter(context: false);
        *context = current;
        return result;
    }

    public override CudaResult cuCtxSetCurrent(nint context)
    {
        CudaResult result = Enter(context: false);
        if (result == CudaResult.Success)
        {
            current = context;
        }

        return result;
    }

    public override CudaResult cuMemGetInfo_v2(nuint* free, nuint* total)
    {
        *free = 3u << 20;
        *total = 80u << 20;
        return Enter();
    }

    public override CudaResult cuMemAlloc_v2(nint* address, nuint bytes) => Allocate(address, bytes);

    public override CudaResult cuMemFree_v2(nint address) => Free(address, nameof(cuMemAlloc_v2));

    public override CudaResult cuMemAllocHost_v2(nint* address, nuint bytes) => Allocate(address, bytes);

    public override CudaResult cuMemFreeHost(nint address) => Free(address, nameof(cuMemAllocHost_v2));

    public override CudaResult cuMemcpyHtoDAsync_v2(nint destination, void* source, nuint bytes, nint stream) =>
        Copy((void*)destination, source, bytes, stream);

    public override CudaResult cuMemcpyDtoHAsync_v2(void* destination, nint source, nuint bytes, nint stream) =>
        Copy(destination, (void*)source, bytes, stream);

    public override CudaResult cuMemcpyDtoDAsync_v2(nint destination, nint source, nuint bytes, nint stream) =>
        Copy((void*)destination, (void*)source, bytes, stream);

    public override CudaResult cuMemsetD8Async(nint destination, byte value, nuint count, nint stream)
    {
        CudaResult result = EnterOn(stream);
        if (result == CudaResult.Success && !capturing.ContainsKey(stream))
        {
            NativeMemory.Fill((void*)destination, count, value);
        }

        return result;
    }

    public override CudaResult cuStreamCreate(nint* stream, uint flags) => Create(stream);

    public override CudaResult cuStreamDestroy_v2(nint stream) => Destroy(stream, nameof(cuStreamCreate));

    public override CudaResult cuStreamSynchronize(nint stream) => EnterOn(stream);

    public override CudaResult cuStreamWaitEvent(nint stream, nint waited, uint flags) => EnterOn(stream, waited);

    public override CudaResult cuStreamIsCapturing(nint stream, int* status)
    {
        *status = capturing.ContainsKey(stream) ? 1 : 0;
        return EnterOn(stream);
    }

    public override CudaResult cuStreamBeginCapture_v2(nint stream, int mode)
    {
        CudaResult result = EnterOn(stream);
        return result != CudaResult.Success ? result : capturing.TryAdd(stream, true) ? CudaResult.Success : CudaResult.StreamCaptureInvalidated;
    }

    public override CudaResult cuStreamEndCapture(nint stream, nint* graph)
    {
        CudaResult result = Create(graph);
        capturing.TryRemove(stream, out _);
        return result;
    }

    public override CudaResult cuEventCreate(nint* created, uint flags) => Create(created);

    public override CudaResult cuEventDestroy_v2(nint destroyed) => Destroy(destroyed, nameof(cuEventCreate));

    public override CudaResult cuEventRecord(nint recorded, nint stream) => EnterOn(stream, recorded);

    public override CudaResult cuEventSynchronize(nint waited) => EnterWith(waited);

    public override CudaResult cuEventElapsedTime(float* milliseconds, nint start, nint end)
    {
        *milliseconds = 2.5f;
        return EnterWith(start, end);
    }

    public override CudaResult cuGraphGetNodes(nint graph, nint* nodes, nuint* count)
    {
        *count = 3;
        return EnterWith(graph);
    }

    public override CudaResult cuGraphInstantiateWithFlags(nint* executable, nint graph, ulong flags) => Create(executable);

    public override CudaResult cuGraphDestroy(nint graph) => Destroy(graph, nameof(cuStreamEndCapture));

    public override CudaResult cuGraphLaunch(nint executable, nint stream) => Launch("graph", stream, executable);

    public override CudaResult cuGraphExecDestroy(nint executable) => Destroy(executable, nameof(cuGraphInstantiateWithFlags));

    public override CudaResult cuModuleLoadData(nint* module, void* image)
    {
        if (RefusedImages > 0)
        {
            RefusedImages--;
            return CudaResult.InvalidImage;
        }

        return Create(module);
    }

    public override CudaResult cuModuleUnload(nint module) => Destroy(module, nameof(cuModuleLoadData));

    public override CudaResult cuModuleGetFunction(nint* function, nint module, byte* name)
    {
        *function = module + 1;
        return EnterWith(module);
    }

    public override CudaResult cuFuncGetAttribute(int* value, int attribute, nint function) => Answer(
        value, attribute switch { 0 => 1024, 1 => 128, 3 => 0, 4 => 32, _ => 0 }, context: true);

    public override CudaResult cuFuncSetAttribute(nint function, int attribute, int value) => Enter();

    public override CudaResult cuFuncGetParamInfo(nint function, nuint index, nuint* offset, nuint* bytes)
    {
        *offset = 0;
        *bytes = ArgumentBytes;
        return Enter();
    }

    public override CudaResult cuTensorMapEncodeTiled(TensorMap* map, in TensorMapDescription description)
    {
        if ((nint)map % TensorMap.Alignment != 0 || description.Address % 16 != 0 || description.Box[0] * 2 > 128)
        {
            return CudaResult.InvalidValue;
        }

        CudaResult result = Enter(context: false);
        (*map)[0] = result == CudaResult.Success ? (ulong)description.Address : 0;
        return result;
    }

    public override CudaResult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, nint function, int threads, nuint sharedBytes) =>
        Answer(blocks, 4, context: true);

    public override CudaResult cuLaunchKernelEx(LaunchConfig* config, nint function, void** arguments, void** extra)
    {
        LastAttributes = config->AttributeCount == 0 ? [] : new ReadOnlySpan<LaunchAttribute>(config->Attributes, (int)config->AttributeCount).ToArray();
        return Launch("kernel", config->Stream, function - 1);
    }

    private CudaResult Answer(int* slot, int value, bool context, [CallerMemberName] string call = "")
    {
        CudaResult result = Enter(context, call);
        if (result == CudaResult.Success)
        {
            *slot = value;
        }

        return result;
    }

    private CudaResult Create(nint* slot, [CallerMemberName] string call = "")
    {
        CudaResult result = Enter(context: true, call);
        if (result == CudaResult.Success)
        {
            *slot = (nint)Interlocked.Add(ref nextHandle, 16);
            alive[*slot] = call;
        }

        return result;
    }

    private CudaResult Destroy(nint handle, string maker, [CallerMemberName] string call = "")
    {
        CudaResult result = Enter(context: true, call);
        if (result != CudaResult.Success)
        {
            return result;
        }

        capturing.TryRemove(handle, out _);
        return alive.TryRemove(new KeyValuePair<nint, string>(handle, maker)) ? CudaResult.Success : CudaResult.InvalidHandle;
    }

    private CudaResult Allocate(nint* address, nuint bytes, [CallerMemberName] string call = "")
    {
        CudaResult result = Enter(context: true, call);
        if (result == CudaResult.Success)
        {
            *address = (nint)NativeMemory.AlignedAlloc(bytes, 256);
            alive[*address] = call;
        }

        return result;
    }

    private CudaResult Free(nint address, string maker, [CallerMemberName] string call = "")
    {
        CudaResult result = Destroy(address, maker, call);
        if (result == CudaResult.Success)
        {
            NativeMemory.AlignedFree((void*)address);
        }

        return result;
    }

    private CudaResult Copy(void* destination, void* source, nuint bytes, nint stream, [CallerMemberName] string call = "")
    {
        CudaResult result = EnterOn(stream, call: call);
        if (result == CudaResult.Success && !capturing.ContainsKey(stream))
        {
            NativeMemory.Copy(source, destination, bytes);
        }

        return result;
    }

    private CudaResult Launch(string what, nint stream, nint launched, [CallerMemberName] string call = "")
    {
        CudaResult result = EnterOn(stream, launched, call);
        if (result == CudaResult.Success && RecordsLaunches)
        {
            Launches.Enqueue((what, stream));
        }

        return result;
    }

    // Streams 1 and 2 are the driver's own.
    private CudaResult EnterOn(nint stream, nint other = 0, [CallerMemberName] string call = "") =>
        EnterWith(stream is 1 or 2 ? 0 : stream, other, call);

    private CudaResult EnterWith(nint handle, nint other = 0, [CallerMemberName] string call = "")
    {
        CudaResult result = Enter(context: true, call);
        bool known = (handle == 0 || alive.ContainsKey(handle)) && (other == 0 || alive.ContainsKey(other));
        return result != CudaResult.Success ? result : known ? CudaResult.Success : CudaResult.InvalidHandle;
    }

    private CudaResult Enter(bool context = true, [CallerMemberName] string call = "")
    {
        if (sticky != CudaResult.Success)
        {
            Interlocked.Increment(ref callsAfterLoss);
            return sticky;
        }

        CudaResult planned = Planned(call);
        if (planned.IsFatal())
        {
            sticky = planned;
        }

        return planned != CudaResult.Success ? planned
            : context && (current != ContextHandle || Volatile.Read(ref retained) <= 0) ? CudaResult.InvalidContext
            : CudaResult.Success;
    }

    private CudaResult Planned(string call)
    {
        int occurrence = calls.AddOrUpdate(call, 1, static (_, count) => count + 1);
        return call == FailingCall && (FailingOccurrence == 0 || FailingOccurrence == occurrence) ? FailingResult : CudaResult.Success;
    }
}
