using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using TeRA.Kernels.Cuda;

namespace TeRA.Kernels.Tests.Cuda;

/// <summary>An NVRTC in memory: the "cubin" is a hash of everything it was given, so that equal results mean equal inputs.</summary>
internal sealed unsafe class FakeNvrtc : NvrtcTable
{
    private static readonly byte* CompilationError = (byte*)Marshal.StringToCoTaskMemUTF8("NVRTC_ERROR_COMPILATION");

    private readonly Lock gate = new();
    private readonly Dictionary<nint, byte[]> programs = [];
    private nint next = 1;
    private int compilations;

    /// <summary>The function to fail; null for none.</summary>
    public string? FailingCall { get; init; }

    public int Major { get; init; } = 13;

    public int Minor { get; init; }

    /// <summary>Programs compiled.</summary>
    public int Compilations => compilations;

    /// <summary>Programs not destroyed.</summary>
    public int Alive => programs.Count;

    /// <summary>Every option of the last compilation.</summary>
    public string[] LastOptions { get; private set; } = [];

    public NvrtcSearch Found => new(new NvrtcCompiler(this, "fake nvrtc"), []);

    public override int nvrtcVersion(int* major, int* minor)
    {
        *major = Major;
        *minor = Minor;
        return Status();
    }

    public override byte* nvrtcGetErrorString(int result) => CompilationError;

    public override int nvrtcGetNumSupportedArchs(int* count)
    {
        *count = 1;
        return Status();
    }

    public override int nvrtcGetSupportedArchs(int* architectures)
    {
        *architectures = 90;
        return Status();
    }

    public override int nvrtcCreateProgram(nint* program, byte* source, byte* name, int headerCount, byte** headers, byte** headerNames)
    {
        if (Status() is int status and not 0)
        {
            return status;
        }

        var text = new StringBuilder().Append(Text(name)).Append('\0').Append(Text(source));
        for (int i = 0; i < headerCount; i++)
        {
            text.Append('\0').Append(Text(headerNames[i])).Append('\0').Append(Text(headers[i]));
        }

        lock (gate)
        {
            *program = next++;
            programs[*program] = Encoding.UTF8.GetBytes(text.ToString());
        }

        return 0;
    }

    public override int nvrtcDestroyProgram(nint* program)
    {
        lock (gate)
        {
            programs.Remove(*program);
        }

        return Status();
    }

    public override int nvrtcCompileProgram(nint program, int optionCount, byte** options)
    {
        Interlocked.Increment(ref compilations);
        LastOptions = [.. Enumerable.Range(0, optionCount).Select(i => Text(options[i]))];
        lock (gate)
        {
            programs[program] = SHA256.HashData([.. programs[program], .. Encoding.UTF8.GetBytes(string.Join('\0', LastOptions))]);
        }

        return Status();
    }

    public override int nvrtcGetProgramLogSize(nint program, nuint* bytes)
    {
        *bytes = 12;
        return Status();
    }

    public override int nvrtcGetProgramLog(nint program, byte* log)
    {
        "line 1: bad\0"u8.CopyTo(new Span<byte>(log, 12));
        return Status();
    }

    public override int nvrtcGetCUBINSize(nint program, nuint* bytes)
    {
        *bytes = 32;
        return Status();
    }

    public override int nvrtcGetCUBIN(nint program, byte* cubin)
    {
        lock (gate)
        {
            programs[program].CopyTo(new Span<byte>(cubin, 32));
        }

        return Status();
    }

    private static string Text(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "";

    private int Status([CallerMemberName] string call = "") => call == FailingCall ? 6 : 0;
}
