namespace TeRA.Kernels.Cuda;

/// <summary>
/// Every function of the CUDA driver that the library calls, under the driver's own names. Runs on <see cref="NativeDriver"/>;
/// tests put their own in place, to fail any call or to do without a GPU.
/// </summary>
internal abstract unsafe class DriverTable
{
    public abstract CudaResult cuInit(uint flags);

    public abstract CudaResult cuDriverGetVersion(int* version);

    public abstract CudaResult cuGetErrorName(CudaResult error, byte** text);

    public abstract CudaResult cuGetErrorString(CudaResult error, byte** text);

    public abstract CudaResult cuDeviceGetCount(int* count);

    public abstract CudaResult cuDeviceGet(int* device, int ordinal);

    public abstract CudaResult cuDeviceGetName(byte* name, int length, int device);

    public abstract CudaResult cuDeviceGetAttribute(int* value, int attribute, int device);

    public abstract CudaResult cuDeviceTotalMem_v2(nuint* bytes, int device);

    public abstract CudaResult cuDevicePrimaryCtxRetain(nint* context, int device);

    public abstract CudaResult cuDevicePrimaryCtxRelease_v2(int device);

    public abstract CudaResult cuCtxGetCurrent(nint* context);

    public abstract CudaResult cuCtxSetCurrent(nint context);

    public abstract CudaResult cuMemGetInfo_v2(nuint* free, nuint* total);

    public abstract CudaResult cuMemAlloc_v2(nint* address, nuint bytes);

    public abstract CudaResult cuMemFree_v2(nint address);

    public abstract CudaResult cuMemAllocHost_v2(nint* address, nuint bytes);

    public abstract CudaResult cuMemFreeHost(nint address);

    public abstract CudaResult cuMemcpyHtoDAsync_v2(nint destination, void* source, nuint bytes, nint stream);

    public abstract CudaResult cuMemcpyDtoHAsync_v2(void* destination, nint source, nuint bytes, nint stream);

    public abstract CudaResult cuMemcpyDtoDAsync_v2(nint destination, nint source, nuint bytes, nint stream);

    public abstract CudaResult cuMemsetD8Async(nint destination, byte value, nuint count, nint stream);

    public abstract CudaResult cuStreamCreate(nint* stream, uint flags);

    public abstract CudaResult cuStreamDestroy_v2(nint stream);

    public abstract CudaResult cuStreamSynchronize(nint stream);

    public abstract CudaResult cuStreamWaitEvent(nint stream, nint waited, uint flags);

    public abstract CudaResult cuStreamIsCapturing(nint stream, int* status);

    public abstract CudaResult cuStreamBeginCapture_v2(nint stream, int mode);

    public abstract CudaResult cuStreamEndCapture(nint stream, nint* graph);

    public abstract CudaResult cuEventCreate(nint* created, uint flags);

    public abstract CudaResult cuEventDestroy_v2(nint destroyed);

    public abstract CudaResult cuEventRecord(nint recorded, nint stream);

    public abstract CudaResult cuEventSynchronize(nint waited);

    public abstract CudaResult cuEventElapsedTime(float* milliseconds, nint start, nint end);

    public abstract CudaResult cuGraphGetNodes(nint graph, nint* nodes, nuint* count);

    public abstract CudaResult cuGraphInstantiateWithFlags(nint* executable, nint graph, ulong flags);

    public abstract CudaResult cuGraphDestroy(nint graph);

    public abstract CudaResult cuGraphLaunch(nint executable, nint stream);

    public abstract CudaResult cuGraphExecDestroy(nint executable);

    public abstract CudaResult cuModuleLoadData(nint* module, void* image);

    public abstract CudaResult cuModuleUnload(nint module);

    public abstract CudaResult cuModuleGetFunction(nint* function, nint module, byte* name);

    public abstract CudaResult cuFuncGetAttribute(int* value, int attribute, nint function);

    public abstract CudaResult cuFuncSetAttribute(nint function, int attribute, int value);

    public abstract CudaResult cuFuncGetParamInfo(nint function, nuint index, nuint* offset, nuint* bytes);

    /// <summary>Not a call into a context: it only writes 128 bytes of host memory. Drivers before 12.0 lack it and answer "not found".</summary>
    public abstract CudaResult cuTensorMapEncodeTiled(TensorMap* map, in TensorMapDescription description);

    public abstract CudaResult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, nint function, int threads, nuint sharedBytes);

    public abstract CudaResult cuLaunchKernelEx(LaunchConfig* config, nint function, void** arguments, void** extra);
}
