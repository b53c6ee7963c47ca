namespace TeRA.Kernels.Cuda;

/// <summary>The driver's functions as exported by its library: names of driver 12.0 that 13.x keeps.</summary>
internal sealed unsafe class NativeDriver : DriverTable
{
    private readonly delegate* unmanaged<uint, CudaResult> cuInitEntry;
    private readonly delegate* unmanaged<int*, CudaResult> cuDriverGetVersionEntry;
    private readonly delegate* unmanaged<CudaResult, byte**, CudaResult> cuGetErrorNameEntry;
    private readonly delegate* unmanaged<CudaResult, byte**, CudaResult> cuGetErrorStringEntry;
    private readonly delegate* unmanaged<int*, CudaResult> cuDeviceGetCountEntry;
    private readonly delegate* unmanaged<int*, int, CudaResult> cuDeviceGetEntry;
    private readonly delegate* unmanaged<byte*, int, int, CudaResult> cuDeviceGetNameEntry;
    private readonly delegate* unmanaged<int*, int, int, CudaResult> cuDeviceGetAttributeEntry;
    private readonly delegate* unmanaged<nuint*, int, CudaResult> cuDeviceTotalMem_v2Entry;
    private readonly delegate* unmanaged<nint*, int, CudaResult> cuDevicePrimaryCtxRetainEntry;
    private readonly delegate* unmanaged<int, CudaResult> cuDevicePrimaryCtxRelease_v2Entry;
    private readonly delegate* unmanaged<nint*, CudaResult> cuCtxGetCurrentEntry;
    private readonly delegate* unmanaged<nint, CudaResult> cuCtxSetCurrentEntry;
    private readonly delegate* unmanaged<nuint*, nuint*, CudaResult> cuMemGetInfo_v2Entry;
    private readonly delegate* unmanaged<nint*, nuint, CudaResult> cuMemAlloc_v2Entry;
    private readonly delegate* unmanaged<nint, CudaResult> cuMemFree_v2Entry;
    private readonly delegate* unmanaged<nint*, nuint, CudaResult> cuMemAllocHost_v2Entry;
    private readonly delegate* unmanaged<nint, CudaResult> cuMemFreeHostEntry;
    private readonly delegate* unmanaged<nint, void*, nuint, nint, CudaResult> cuMemcpyHtoDAsync_v2Entry;
    private readonly delegate* unmanaged<void*, nint, nuint, nint, CudaResult> cuMemcpyDtoHAsync_v2Entry;
    private readonly delegate* unmanaged<nint, nint, nuint, nint, CudaResult> cuMemcpyDtoDAsync_v2Entry;
    private readonly delegate* unmanaged<nint, byte, nuint, nint, CudaResult> cuMemsetD8AsyncEntry;
    private readonly delegate* unmanaged<nint*, uint, CudaResult> cuStreamCreateEntry;
    private readonly delegate* unmanaged<nint, CudaResult> cuStreamDestroy_v2Entry;
    private readonly delegate* unmanaged<nint, CudaResult> cuStreamSynchronizeEntry;
    private readonly delegate* unmanaged<nint, nint, uint, CudaResult> cuStreamWaitEventEntry;
    private readonly delegate* unmanaged<nint, int*, CudaResult> cuStreamIsCapturingEntry;
    private readonly delegate* unmanaged<nint, int, CudaResult> cuStreamBeginCapture_v2Entry;
    private readonly delegate* unmanaged<nint, nint*, CudaResult> cuStreamEndCaptureEntry;
    private readonly delegate* unmanaged<nint*, uint, CudaResult> cuEventCreateEntry;
    private readonly delegate* unmanaged<nint, CudaResult> cuEventDestroy_v2Entry;
    private readonly delegate* unmanaged<nint, nint, CudaResult> cuEventRecordEntry;
    private readonly delegate* unmanaged<nint, CudaResult> cuEventSynchronizeEntry;
    private readonly delegate* unmanaged<float*, nint, nint, CudaResult> cuEventElapsedTimeEntry;
    private readonly delegate* unmanaged<nint, nint*, nuint*, CudaResult> cuGraphGetNodesEntry;
    private readonly delegate* unmanaged<nint*, nint, ulong, CudaResult> cuGraphInstantiateWithFlagsEntry;
    private readonly delegate* unmanaged<nint, CudaResult> cuGraphDestroyEntry;
    private readonly delegate* unmanaged<nint, nint, CudaResult> cuGraphLaunchEntry;
    private readonly delegate* unmanaged<nint, CudaResult> cuGraphExecDestroyEntry;
    private readonly delegate* unmanaged<nint*, void*, CudaResult> cuModuleLoadDataEntry;
    private readonly delegate* unmanaged<nint, CudaResult> cuModuleUnloadEntry;
    private readonly delegate* unmanaged<nint*, nint, byte*, CudaResult> cuModuleGetFunctionEntry;
    private readonly delegate* unmanaged<int*, int, nint, CudaResult> cuFuncGetAttributeEntry;
    private readonly delegate* unmanaged<nint, int, int, CudaResult> cuFuncSetAttributeEntry;
    private readonly delegate* unmanaged<nint, nuint, nuint*, nuint*, CudaResult> cuFuncGetParamInfoEntry;
    private readonly delegate* unmanaged<TensorMap*, int, uint, nint, ulong*, ulong*, uint*, uint*, int, int, int, int, CudaResult> cuTensorMapEncodeTiledEntry;
    private readonly delegate* unmanaged<int*, nint, int, nuint, CudaResult> cuOccupancyMaxActiveBlocksPerMultiprocessorEntry;
    private readonly delegate* unmanaged<LaunchConfig*, nint, void**, void**, CudaResult> cuLaunchKernelExEntry;

    /// <summary>Binds every entry at once, so that an unfit library is refused whole and by name.</summary>
    /// <exception cref="DeviceUnavailableException">The library lacks an entry.</exception>
    public NativeDriver(LibraryExports exports)
    {
        cuInitEntry = (delegate* unmanaged<uint, CudaResult>)exports.Required("cuInit");
        cuDriverGetVersionEntry = (delegate* unmanaged<int*, CudaResult>)exports.Required("cuDriverGetVersion");
        cuGetErrorNameEntry = (delegate* unmanaged<CudaResult, byte**, CudaResult>)exports.Required("cuGetErrorName");
        cuGetErrorStringEntry = (delegate* unmanaged<CudaResult, byte**, CudaResult>)exports.Required("cuGetErrorString");
        cuDeviceGetCountEntry = (delegate* unmanaged<int*, CudaResult>)exports.Required("cuDeviceGetCount");
        cuDeviceGetEntry = (delegate* unmanaged<int*, int, CudaResult>)exports.Required("cuDeviceGet");
        cuDeviceGetNameEntry = (delegate* unmanaged<byte*, int, int, CudaResult>)exports.Required("cuDeviceGetName");
        cuDeviceGetAttributeEntry = (delegate* unmanaged<int*, int, int, CudaResult>)exports.Required("cuDeviceGetAttribute");
        cuDeviceTotalMem_v2Entry = (delegate* unmanaged<nuint*, int, CudaResult>)exports.Required("cuDeviceTotalMem_v2");
        cuDevicePrimaryCtxRetainEntry = (delegate* unmanaged<nint*, int, CudaResult>)exports.Required("cuDevicePrimaryCtxRetain");
        cuDevicePrimaryCtxRelease_v2Entry = (delegate* unmanaged<int, CudaResult>)exports.Required("cuDevicePrimaryCtxRelease_v2");
        cuCtxGetCurrentEntry = (delegate* unmanaged<nint*, CudaResult>)exports.Required("cuCtxGetCurrent");
        cuCtxSetCurrentEntry = (delegate* unmanaged<nint, CudaResult>)exports.Required("cuCtxSetCurrent");
        cuMemGetInfo_v2Entry = (delegate* unmanaged<nuint*, nuint*, CudaResult>)exports.Required("cuMemGetInfo_v2");
        cuMemAlloc_v2Entry = (delegate* unmanaged<nint*, nuint, CudaResult>)exports.Required("cuMemAlloc_v2");
        cuMemFree_v2Entry = (delegate* unmanaged<nint, CudaResult>)exports.Required("cuMemFree_v2");
        cuMemAllocHost_v2Entry = (delegate* unmanaged<nint*, nuint, CudaResult>)exports.Required("cuMemAllocHost_v2");
        cuMemFreeHostEntry = (delegate* unmanaged<nint, CudaResult>)exports.Required("cuMemFreeHost");
        cuMemcpyHtoDAsync_v2Entry = (delegate* unmanaged<nint, void*, nuint, nint, CudaResult>)exports.Required("cuMemcpyHtoDAsync_v2");
        cuMemcpyDtoHAsync_v2Entry = (delegate* unmanaged<void*, nint, nuint, nint, CudaResult>)exports.Required("cuMemcpyDtoHAsync_v2");
        cuMemcpyDtoDAsync_v2Entry = (delegate* unmanaged<nint, nint, nuint, nint, CudaResult>)exports.Required("cuMemcpyDtoDAsync_v2");
        cuMemsetD8AsyncEntry = (delegate* unmanaged<nint, byte, nuint, nint, CudaResult>)exports.Required("cuMemsetD8Async");
        cuStreamCreateEntry = (delegate* unmanaged<nint*, uint, CudaResult>)exports.Required("cuStreamCreate");
        cuStreamDestroy_v2Entry = (delegate* unmanaged<nint, CudaResult>)exports.Required("cuStreamDestroy_v2");
        cuStreamSynchronizeEntry = (delegate* unmanaged<nint, CudaResult>)exports.Required("cuStreamSynchronize");
        cuStreamWaitEventEntry = (delegate* unmanaged<nint, nint, uint, CudaResult>)exports.Required("cuStreamWaitEvent");
        cuStreamIsCapturingEntry = (delegate* unmanaged<nint, int*, CudaResult>)exports.Required("cuStreamIsCapturing");
        cuStreamBeginCapture_v2Entry = (delegate* unmanaged<nint, int, CudaResult>)exports.Required("cuStreamBeginCapture_v2");
        cuStreamEndCaptureEntry = (delegate* unmanaged<nint, nint*, CudaResult>)exports.Required("cuStreamEndCapture");
        cuEventCreateEntry = (delegate* unmanaged<nint*, uint, CudaResult>)exports.Required("cuEventCreate");
        cuEventDestroy_v2Entry = (delegate* unmanaged<nint, CudaResult>)exports.Required("cuEventDestroy_v2");
        cuEventRecordEntry = (delegate* unmanaged<nint, nint, CudaResult>)exports.Required("cuEventRecord");
        cuEventSynchronizeEntry = (delegate* unmanaged<nint, CudaResult>)exports.Required("cuEventSynchronize");
        cuEventElapsedTimeEntry = (delegate* unmanaged<float*, nint, nint, CudaResult>)exports.OneOf("cuEventElapsedTime_v2", "cuEventElapsedTime");
        cuGraphGetNodesEntry = (delegate* unmanaged<nint, nint*, nuint*, CudaResult>)exports.Required("cuGraphGetNodes");
        cuGraphInstantiateWithFlagsEntry = (delegate* unmanaged<nint*, nint, ulong, CudaResult>)exports.Required("cuGraphInstantiateWithFlags");
        cuGraphDestroyEntry = (delegate* unmanaged<nint, CudaResult>)exports.Required("cuGraphDestroy");
        cuGraphLaunchEntry = (delegate* unmanaged<nint, nint, CudaResult>)exports.Required("cuGraphLaunch");
        cuGraphExecDestroyEntry = (delegate* unmanaged<nint, CudaResult>)exports.Required("cuGraphExecDestroy");
        cuModuleLoadDataEntry = (delegate* unmanaged<nint*, void*, CudaResult>)exports.Required("cuModuleLoadData");
        cuModuleUnloadEntry = (delegate* unmanaged<nint, CudaResult>)exports.Required("cuModuleUnload");
        cuModuleGetFunctionEntry = (delegate* unmanaged<nint*, nint, byte*, CudaResult>)exports.Required("cuModuleGetFunction");
        cuFuncGetAttributeEntry = (delegate* unmanaged<int*, int, nint, CudaResult>)exports.Required("cuFuncGetAttribute");
        cuFuncSetAttributeEntry = (delegate* unmanaged<nint, int, int, CudaResult>)exports.Required("cuFuncSetAttribute");
        cuFuncGetParamInfoEntry = (delegate* unmanaged<nint, nuint, nuint*, nuint*, CudaResult>)exports.Optional("cuFuncGetParamInfo");
        cuTensorMapEncodeTiledEntry = (delegate* unmanaged<TensorMap*, int, uint, nint, ulong*, ulong*, uint*, uint*, int, int, int, int, CudaResult>)exports.Optional("cuTensorMapEncodeTiled");
        cuOccupancyMaxActiveBlocksPerMultiprocessorEntry = (delegate* unmanaged<int*, nint, int, nuint, CudaResult>)exports.Required("cuOccupancyMaxActiveBlocksPerMultiprocessor");
        cuLaunchKernelExEntry = (delegate* unmanaged<LaunchConfig*, nint, void**, void**, CudaResult>)exports.Required("cuLaunchKernelEx");
        exports.ThrowIfIncomplete();
    }

    public override CudaResult cuInit(uint flags) => cuInitEntry(flags);

    public override CudaResult cuDriverGetVersion(int* version) => cuDriverGetVersionEntry(version);

    public override CudaResult cuGetErrorName(CudaResult error, byte** text) => cuGetErrorNameEntry(error, text);

    public override CudaResult cuGetErrorString(CudaResult error, byte** text) => cuGetErrorStringEntry(error, text);

    public override CudaResult cuDeviceGetCount(int* count) => cuDeviceGetCountEntry(count);

    public override CudaResult cuDeviceGet(int* device, int ordinal) => cuDeviceGetEntry(device, ordinal);

    public override CudaResult cuDeviceGetName(byte* name, int length, int device) => cuDeviceGetNameEntry(name, length, device);

    public override CudaResult cuDeviceGetAttribute(int* value, int attribute, int device) => cuDeviceGetAttributeEntry(value, attribute, device);

    public override CudaResult cuDeviceTotalMem_v2(nuint* bytes, int device) => cuDeviceTotalMem_v2Entry(bytes, device);

    public override CudaResult cuDevicePrimaryCtxRetain(nint* context, int device) => cuDevicePrimaryCtxRetainEntry(context, device);

    public override CudaResult cuDevicePrimaryCtxRelease_v2(int device) => cuDevicePrimaryCtxRelease_v2Entry(device);

    public override CudaResult cuCtxGetCurrent(nint* context) => cuCtxGetCurrentEntry(context);

    public override CudaResult cuCtxSetCurrent(nint context) => cuCtxSetCurrentEntry(context);

    public override CudaResult cuMemGetInfo_v2(nuint* free, nuint* total) => cuMemGetInfo_v2Entry(free, total);

    public override CudaResult cuMemAlloc_v2(nint* address, nuint bytes) => cuMemAlloc_v2Entry(address, bytes);

    public override CudaResult cuMemFree_v2(nint address) => cuMemFree_v2Entry(address);

    public override CudaResult cuMemAllocHost_v2(nint* address, nuint bytes) => cuMemAllocHost_v2Entry(address, bytes);

    public override CudaResult cuMemFreeHost(nint address) => cuMemFreeHostEntry(address);

    public override CudaResult cuMemcpyHtoDAsync_v2(nint destination, void* source, nuint bytes, nint stream) => cuMemcpyHtoDAsync_v2Entry(destination, source, bytes, stream);

    public override CudaResult cuMemcpyDtoHAsync_v2(void* destination, nint source, nuint bytes, nint stream) => cuMemcpyDtoHAsync_v2Entry(destination, source, bytes, stream);

    public override CudaResult cuMemcpyDtoDAsync_v2(nint destination, nint source, nuint bytes, nint stream) => cuMemcpyDtoDAsync_v2Entry(destination, source, bytes, stream);

    public override CudaResult cuMemsetD8Async(nint destination, byte value, nuint count, nint stream) => cuMemsetD8AsyncEntry(destination, value, count, stream);

    public override CudaResult cuStreamCreate(nint* stream, uint flags) => cuStreamCreateEntry(stream, flags);

    public override CudaResult cuStreamDestroy_v2(nint stream) => cuStreamDestroy_v2Entry(stream);

    public override CudaResult cuStreamSynchronize(nint stream) => cuStreamSynchronizeEntry(stream);

    public override CudaResult cuStreamWaitEvent(nint stream, nint waited, uint flags) => cuStreamWaitEventEntry(stream, waited, flags);

    public override CudaResult cuStreamIsCapturing(nint stream, int* status) => cuStreamIsCapturingEntry(stream, status);

    public override CudaResult cuStreamBeginCapture_v2(nint stream, int mode) => cuStreamBeginCapture_v2Entry(stream, mode);

    public override CudaResult cuStreamEndCapture(nint stream, nint* graph) => cuStreamEndCaptureEntry(stream, graph);

    public override CudaResult cuEventCreate(nint* created, uint flags) => cuEventCreateEntry(created, flags);

    public override CudaResult cuEventDestroy_v2(nint destroyed) => cuEventDestroy_v2Entry(destroyed);

    public override CudaResult cuEventRecord(nint recorded, nint stream) => cuEventRecordEntry(recorded, stream);

    public override CudaResult cuEventSynchronize(nint waited) => cuEventSynchronizeEntry(waited);

    public override CudaResult cuEventElapsedTime(float* milliseconds, nint start, nint end) => cuEventElapsedTimeEntry(milliseconds, start, end);

    public override CudaResult cuGraphGetNodes(nint graph, nint* nodes, nuint* count) => cuGraphGetNodesEntry(graph, nodes, count);

    public override CudaResult cuGraphInstantiateWithFlags(nint* executable, nint graph, ulong flags) => cuGraphInstantiateWithFlagsEntry(executable, graph, flags);

    public override CudaResult cuGraphDestroy(nint graph) => cuGraphDestroyEntry(graph);

    public override CudaResult cuGraphLaunch(nint executable, nint stream) => cuGraphLaunchEntry(executable, stream);

    public override CudaResult cuGraphExecDestroy(nint executable) => cuGraphExecDestroyEntry(executable);

    public override CudaResult cuModuleLoadData(nint* module, void* image) => cuModuleLoadDataEntry(module, image);

    public override CudaResult cuModuleUnload(nint module) => cuModuleUnloadEntry(module);

    public override CudaResult cuModuleGetFunction(nint* function, nint module, byte* name) => cuModuleGetFunctionEntry(function, module, name);

    public override CudaResult cuFuncGetAttribute(int* value, int attribute, nint function) => cuFuncGetAttributeEntry(value, attribute, function);

    public override CudaResult cuFuncSetAttribute(nint function, int attribute, int value) => cuFuncSetAttributeEntry(function, attribute, value);

    public override CudaResult cuFuncGetParamInfo(nint function, nuint index, nuint* offset, nuint* bytes) => cuFuncGetParamInfoEntry == null ? CudaResult.NotFound : cuFuncGetParamInfoEntry(function, index, offset, bytes);

    public override CudaResult cuTensorMapEncodeTiled(TensorMap* map, in TensorMapDescription description)
    {
        if (cuTensorMapEncodeTiledEntry == null)
        {
            return CudaResult.NotFound;
        }

        fixed (TensorMapDescription* d = &description)
        {
            return cuTensorMapEncodeTiledEntry(
                map, d->DataType, d->Rank, d->Address, d->Lengths, d->Strides, d->Box, d->ElementStrides, d->Interleave, d->Swizzle, d->L2Promotion, d->OutOfBounds);
        }
    }

    public override CudaResult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, nint function, int threads, nuint sharedBytes) => cuOccupancyMaxActiveBlocksPerMultiprocessorEntry(blocks, function, threads, sharedBytes);

    public override CudaResult cuLaunchKernelEx(LaunchConfig* config, nint function, void** arguments, void** extra) => cuLaunchKernelExEntry(config, function, arguments, extra);
}
