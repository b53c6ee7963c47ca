using System.Runtime.InteropServices;

namespace TeRA.Kernels.Cuda;

/// <summary>Looks entries up in a loaded library, and collects those that are missing for one error at the end.</summary>
/// <param name="handle">The library.</param>
/// <param name="path">Its name, for the error.</param>
internal sealed class LibraryExports(nint handle, string path)
{
    private readonly List<string> missing = [];

    /// <summary>The entry's address; 0 and remembered when it is missing.</summary>
    public nint Required(string name)
    {
        nint address = Optional(name);
        if (address == 0)
        {
            missing.Add(name);
        }

        return address;
    }

    /// <summary>The address of the first name that exists.</summary>
    public nint OneOf(string newer, string older)
    {
        nint address = Optional(newer);
        return address != 0 ? address : Required(older);
    }

    /// <summary>The entry's address, or 0.</summary>
    public nint Optional(string name) => NativeLibrary.TryGetExport(handle, name, out nint address) ? address : 0;

    /// <summary>Refuses a library that is too old, or another library altogether.</summary>
    /// <exception cref="DeviceUnavailableException">Something required was missing.</exception>
    public void ThrowIfIncomplete()
    {
        if (missing.Count > 0)
        {
            throw new DeviceUnavailableException(
                $"{path} has no {string.Join(", ", missing)}. The library needs a driver and an NVRTC of CUDA 12.0 or newer; update it, or point to another one.");
        }
    }
}
