using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text;

namespace TeRA.Kernels.Cuda;

/// <summary>NVRTC: CUDA C++ to cubin, in this process, with no file and no toolkit. Safe to use from several threads.</summary>
internal sealed unsafe class NvrtcCompiler
{
    private const int InvalidOption = 5;

    private static readonly OnceMap<string, NvrtcSearch> Found = new();

    private readonly NvrtcTable nvrtc;

    /// <summary>Takes a loaded NVRTC.</summary>
    public NvrtcCompiler(NvrtcTable nvrtc, string path)
    {
        this.nvrtc = nvrtc;
        Path = path;
        int major;
        int minor;
        Require(nvrtc.nvrtcVersion(&major, &minor), nameof(nvrtc.nvrtcVersion));
        Version = new Version(major, minor);
    }

    /// <summary>Where it was found.</summary>
    public string Path { get; }

    /// <summary>Its version.</summary>
    public Version Version { get; }

    /// <summary>Looks for NVRTC, once for each list of paths.</summary>
    public static NvrtcSearch Find(CudaOptions options)
    {
        string key = string.Join('\n', LibrarySearch.Nvrtc(options, Environment.GetEnvironmentVariable));
        return Found.GetOrCreate(key, static paths => Search(paths.Split('\n')));
    }

    /// <summary>The options that every kernel is compiled with, before its own.</summary>
    public static ImmutableArray<string> AllOptions(string architecture, ImmutableArray<string> own) =>
        [$"--gpu-architecture={architecture}", "--std=c++20", "-default-device", .. own];

    /// <summary>Compiles one variant.</summary>
    /// <param name="sources">The kernel's file first, then the headers that it may include.</param>
    /// <param name="own">The variant's options.</param>
    /// <param name="architecture">The target, for example <c>sm_90a</c>.</param>
    /// <exception cref="KernelCompilationException">The source does not compile, or this NVRTC does not know the target.</exception>
    public byte[] Compile(ImmutableArray<KernelSource> sources, ImmutableArray<string> own, string architecture)
    {
        ImmutableArray<string> options = AllOptions(architecture, own);
        using var texts = new NativeTexts([.. sources.SelectMany(source => new[] { source.Name, source.Text }), .. options]);
        int headers = sources.Length - 1;
        byte** pairs = texts.Pointers;
        byte** names = stackalloc byte*[headers];
        byte** bodies = stackalloc byte*[headers];
        for (int i = 0; i < headers; i++)
        {
            names[i] = pairs[2 * (i + 1)];
            bodies[i] = pairs[(2 * (i + 1)) + 1];
        }

        nint program;
        Require(nvrtc.nvrtcCreateProgram(&program, pairs[1], pairs[0], headers, bodies, names), nameof(nvrtc.nvrtcCreateProgram));
        try
        {
            int status = nvrtc.nvrtcCompileProgram(program, options.Length, pairs + (2 * sources.Length));
            if (status != 0)
            {
                throw Failure(sources, options, architecture, status, Log(program));
            }

            return Cubin(program);
        }
        finally
        {
            nvrtc.nvrtcDestroyProgram(&program);
        }
    }

    /// <summary>The targets that this NVRTC knows, as 10·major + minor.</summary>
    public ImmutableArray<int> Architectures()
    {
        int count;
        Require(nvrtc.nvrtcGetNumSupportedArchs(&count), nameof(nvrtc.nvrtcGetNumSupportedArchs));
        var architectures = new int[count];
        fixed (int* pointer = architectures)
        {
            Require(nvrtc.nvrtcGetSupportedArchs(pointer), nameof(nvrtc.nvrtcGetSupportedArchs));
        }

        return [.. architectures];
    }

    private static NvrtcSearch Search(string[] candidates)
    {
        LoadedLibrary library = LoadedLibrary.Load(candidates);
        if (library.Path is null)
        {
            return new NvrtcSearch(null, library.Attempts);
        }

        LoadBuiltins(library.Path);
        try
        {
            return new NvrtcSearch(new NvrtcCompiler(new NativeNvrtc(new LibraryExports(library.Handle, library.Path)), library.Path), library.Attempts);
        }
        catch (TeraException error)
        {
            return new NvrtcSearch(null, library.Attempts.Add($"{library.Path}: {error.Message}"));
        }
    }

    // NVRTC opens its second library by bare name at the first compilation. Beside an NVRTC outside the loader's folders that name is
    // found only when the library is in the process already.
    private static void LoadBuiltins(string nvrtc)
    {
        string? folder = System.IO.Path.IsPathRooted(nvrtc) ? System.IO.Path.GetDirectoryName(nvrtc) : null;
        foreach (string builtins in folder is null ? [] : Directory.EnumerateFiles(folder, "*nvrtc-builtins*"))
        {
            NativeLibrary.TryLoad(builtins, out _);
        }
    }

    private byte[] Cubin(nint program)
    {
        nuint bytes;
        Require(nvrtc.nvrtcGetCUBINSize(program, &bytes), nameof(nvrtc.nvrtcGetCUBINSize));
        var cubin = new byte[checked((int)bytes)];
        fixed (byte* pointer = cubin)
        {
            Require(nvrtc.nvrtcGetCUBIN(program, pointer), nameof(nvrtc.nvrtcGetCUBIN));
        }

        return cubin;
    }

    // The log is a help, not a result: where it can't be had, the failure itself still is told.
    private string Log(nint program)
    {
        nuint bytes;
        if (nvrtc.nvrtcGetProgramLogSize(program, &bytes) != 0 || bytes <= 1)
        {
            return "(no log)";
        }

        var log = new byte[checked((int)bytes)];
        fixed (byte* pointer = log)
        {
            return nvrtc.nvrtcGetProgramLog(program, pointer) == 0 ? Encoding.UTF8.GetString(log).TrimEnd('\0', '\n') : "(no log)";
        }
    }

    private KernelCompilationException Failure(
        ImmutableArray<KernelSource> sources, ImmutableArray<string> options, string architecture, int status, string log)
    {
        string text = status == InvalidOption
            ? $"{log}\nNVRTC {Version} ({Path}) may not know {architecture}; it knows {string.Join(", ", Architectures().Select(number => $"sm_{number}"))}."
            : log;
        return new KernelCompilationException(sources[0].Name, StatusName(status), options, text, SourceDump.Write(sources, options, text));
    }

    private void Require(int status, string call)
    {
        if (status != 0)
        {
            throw new TeraException($"{call} failed with {status} ({StatusName(status)}) in {Path}.");
        }
    }

    private string StatusName(int status) => Marshal.PtrToStringUTF8((nint)nvrtc.nvrtcGetErrorString(status)) ?? $"NVRTC status {status}";

    /// <summary>Zero-terminated UTF-8 copies of strings, outside the managed heap.</summary>
    private sealed class NativeTexts : IDisposable
    {
        private readonly int count;

        public NativeTexts(string[] texts)
        {
            count = texts.Length;
            Pointers = (byte**)NativeMemory.AllocZeroed((nuint)count, (nuint)sizeof(byte*));
            for (int i = 0; i < count; i++)
            {
                Pointers[i] = (byte*)Marshal.StringToCoTaskMemUTF8(texts[i]);
            }
        }

        public byte** Pointers { get; }

        public void Dispose()
        {
            for (int i = 0; i < count; i++)
            {
                Marshal.FreeCoTaskMem((nint)Pointers[i]);
            }

            NativeMemory.Free(Pointers);
        }
    }
}
