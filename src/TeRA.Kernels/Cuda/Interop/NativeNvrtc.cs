namespace TeRA.Kernels.Cuda;

/// <summary>NVRTC's functions as exported by its library: the same names in 12.x and 13.x.</summary>
internal sealed unsafe class NativeNvrtc : NvrtcTable
{
    private readonly delegate* unmanaged<int*, int*, int> nvrtcVersionEntry;
    private readonly delegate* unmanaged<int, byte*> nvrtcGetErrorStringEntry;
    private readonly delegate* unmanaged<int*, int> nvrtcGetNumSupportedArchsEntry;
    private readonly delegate* unmanaged<int*, int> nvrtcGetSupportedArchsEntry;
    private readonly delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int> nvrtcCreateProgramEntry;
    private readonly delegate* unmanaged<nint*, int> nvrtcDestroyProgramEntry;
    private readonly delegate* unmanaged<nint, int, byte**, int> nvrtcCompileProgramEntry;
    private readonly delegate* unmanaged<nint, nuint*, int> nvrtcGetProgramLogSizeEntry;
    private readonly delegate* unmanaged<nint, byte*, int> nvrtcGetProgramLogEntry;
    private readonly delegate* unmanaged<nint, nuint*, int> nvrtcGetCUBINSizeEntry;
    private readonly delegate* unmanaged<nint, byte*, int> nvrtcGetCUBINEntry;

    /// <summary>Binds every entry at once, so that an unfit library is refused whole and by name.</summary>
    /// <exception cref="DeviceUnavailableException">The library lacks an entry.</exception>
    public NativeNvrtc(LibraryExports exports)
    {
        nvrtcVersionEntry = (delegate* unmanaged<int*, int*, int>)exports.Required("nvrtcVersion");
        nvrtcGetErrorStringEntry = (delegate* unmanaged<int, byte*>)exports.Required("nvrtcGetErrorString");
        nvrtcGetNumSupportedArchsEntry = (delegate* unmanaged<int*, int>)exports.Required("nvrtcGetNumSupportedArchs");
        nvrtcGetSupportedArchsEntry = (delegate* unmanaged<int*, int>)exports.Required("nvrtcGetSupportedArchs");
        nvrtcCreateProgramEntry = (delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int>)exports.Required("nvrtcCreateProgram");
        nvrtcDestroyProgramEntry = (delegate* unmanaged<nint*, int>)exports.Required("nvrtcDestroyProgram");
        nvrtcCompileProgramEntry = (delegate* unmanaged<nint, int, byte**, int>)exports.Required("nvrtcCompileProgram");
        nvrtcGetProgramLogSizeEntry = (delegate* unmanaged<nint, nuint*, int>)exports.Required("nvrtcGetProgramLogSize");
        nvrtcGetProgramLogEntry = (delegate* unmanaged<nint, byte*, int>)exports.Required("nvrtcGetProgramLog");
        nvrtcGetCUBINSizeEntry = (delegate* unmanaged<nint, nuint*, int>)exports.Required("nvrtcGetCUBINSize");
        nvrtcGetCUBINEntry = (delegate* unmanaged<nint, byte*, int>)exports.Required("nvrtcGetCUBIN");
        exports.ThrowIfIncomplete();
    }

    public override int nvrtcVersion(int* major, int* minor) => nvrtcVersionEntry(major, minor);

    public override byte* nvrtcGetErrorString(int result) => nvrtcGetErrorStringEntry(result);

    public override int nvrtcGetNumSupportedArchs(int* count) => nvrtcGetNumSupportedArchsEntry(count);

    public override int nvrtcGetSupportedArchs(int* architectures) => nvrtcGetSupportedArchsEntry(architectures);

    public override int nvrtcCreateProgram(nint* program, byte* source, byte* name, int headerCount, byte** headers, byte** headerNames) => nvrtcCreateProgramEntry(program, source, name, headerCount, headers, headerNames);

    public override int nvrtcDestroyProgram(nint* program) => nvrtcDestroyProgramEntry(program);

    public override int nvrtcCompileProgram(nint program, int optionCount, byte** options) => nvrtcCompileProgramEntry(program, optionCount, options);

    public override int nvrtcGetProgramLogSize(nint program, nuint* bytes) => nvrtcGetProgramLogSizeEntry(program, bytes);

    public override int nvrtcGetProgramLog(nint program, byte* log) => nvrtcGetProgramLogEntry(program, log);

    public override int nvrtcGetCUBINSize(nint program, nuint* bytes) => nvrtcGetCUBINSizeEntry(program, bytes);

    public override int nvrtcGetCUBIN(nint program, byte* cubin) => nvrtcGetCUBINEntry(program, cubin);
}
