namespace TeRA.Kernels.Cuda;

/// <summary>Every function of NVRTC that the library calls, under NVRTC's own names; replaceable in tests as <see cref="DriverTable"/> is.</summary>
internal abstract unsafe class NvrtcTable
{
    public abstract int nvrtcVersion(int* major, int* minor);

    public abstract byte* nvrtcGetErrorString(int result);

    public abstract int nvrtcGetNumSupportedArchs(int* count);

    public abstract int nvrtcGetSupportedArchs(int* architectures);

    public abstract int nvrtcCreateProgram(nint* program, byte* source, byte* name, int headerCount, byte** headers, byte** headerNames);

    public abstract int nvrtcDestroyProgram(nint* program);

    public abstract int nvrtcCompileProgram(nint program, int optionCount, byte** options);

    public abstract int nvrtcGetProgramLogSize(nint program, nuint* bytes);

    public abstract int nvrtcGetProgramLog(nint program, byte* log);

    public abstract int nvrtcGetCUBINSize(nint program, nuint* bytes);

    public abstract int nvrtcGetCUBIN(nint program, byte* cubin);
}
