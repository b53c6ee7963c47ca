using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TeRA.Kernels.Cuda;

/// <summary>The suffix of every driver call: nothing on success, the right exception with the call's name otherwise.</summary>
internal static unsafe class ResultChecks
{
    /// <summary>Checks a call that belongs to a context: a fatal code marks the context as lost.</summary>
    public static void Check(this CudaResult result, PrimaryContext context, [CallerArgumentExpression(nameof(result))] string call = "")
    {
        if (result != CudaResult.Success)
        {
            throw context.Failure(result, NameOf(call));
        }
    }

    /// <summary>Checks a call made before there is a context.</summary>
    public static void Check(this CudaResult result, DriverTable driver, [CallerArgumentExpression(nameof(result))] string call = "")
    {
        if (result != CudaResult.Success)
        {
            CudaException error = Describe(driver, result, NameOf(call));
            throw result.IsFatal() ? Lost(error) : error;
        }
    }

    /// <summary>For calls that release something, which never throw: a fatal code is remembered and told by the next call.</summary>
    /// <returns>Whether the call succeeded.</returns>
    public static bool Note(this CudaResult result, PrimaryContext context, [CallerArgumentExpression(nameof(result))] string call = "")
    {
        if (result.IsFatal())
        {
            context.Failure(result, NameOf(call));
        }

        return result == CudaResult.Success;
    }

    /// <summary>What every call says after the first fatal error.</summary>
    public static DeviceLostException Lost(CudaException first) => new(
        $"The CUDA context is lost: {first.Message} Nothing on this device can be used any more in this process; start a new one.", first);

    /// <summary>
    /// Whether only a new process helps: the driver's documentation says of each that it leaves the process in an inconsistent state
    /// (or, for a destroyed context, that every handle in it is gone).
    /// </summary>
    public static bool IsFatal(this CudaResult result) => result is CudaResult.IllegalAddress or CudaResult.LaunchTimeout
        or CudaResult.ContextIsDestroyed or CudaResult.Assert or CudaResult.HardwareStackError or CudaResult.IllegalInstruction
        or CudaResult.MisalignedAddress or CudaResult.InvalidAddressSpace or CudaResult.InvalidProgramCounter or CudaResult.LaunchFailed
        or CudaResult.TensorMemoryLeak or CudaResult.EccUncorrectable or CudaResult.NvlinkUncorrectable;

    /// <summary>The exception for a failed call, in the driver's words.</summary>
    public static CudaException Describe(DriverTable driver, CudaResult result, string call, string? detail = null)
    {
        byte* name;
        byte* text;
        string label = driver.cuGetErrorName(result, &name) == CudaResult.Success ? Text(name) : "CUDA_ERROR_UNKNOWN";
        string description = driver.cuGetErrorString(result, &text) == CudaResult.Success ? Text(text) : "the driver has no words for this code";
        return new CudaException(call, (int)result, label, description, detail);
    }

    // "driver.cuMemAlloc_v2(&address, bytes)" → "cuMemAlloc_v2".
    private static string NameOf(string call)
    {
        int end = call.IndexOf('(', StringComparison.Ordinal);
        string head = end < 0 ? call : call[..end];
        return head[(head.LastIndexOf('.') + 1)..];
    }

    private static string Text(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? string.Empty;
}
