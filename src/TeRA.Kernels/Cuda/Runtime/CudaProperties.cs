using System.Runtime.InteropServices;

namespace TeRA.Kernels.Cuda;

/// <summary>What the driver says of a device, read once.</summary>
internal sealed unsafe record CudaProperties(int Device, CudaDeviceInfo Info, DeviceTraits Traits)
{
    private const int ClockRateAttribute = 13;
    private const int ProcessorsAttribute = 16;
    private const int MemoryClockAttribute = 36;
    private const int BusWidthAttribute = 37;
    private const int MajorAttribute = 75;
    private const int MinorAttribute = 76;
    private const int SharedOptInAttribute = 97;

    /// <summary>The card's name.</summary>
    public string Name => Info.Name;

    /// <summary>Compute capability, major.</summary>
    public int Major => Info.Major;

    /// <summary>Compute capability, minor.</summary>
    public int Minor => Info.Minor;

    /// <summary>Asks the driver.</summary>
    public static CudaProperties Read(DriverTable driver, int ordinal)
    {
        int device;
        driver.cuDeviceGet(&device, ordinal).Check(driver);
        nuint bytes;
        driver.cuDeviceTotalMem_v2(&bytes, device).Check(driver);
        int major = Attribute(driver, device, MajorAttribute);
        int minor = Attribute(driver, device, MinorAttribute);
        int processors = Attribute(driver, device, ProcessorsAttribute);
        DeviceTraits traits = CudaTraits.Estimate(
            (major * 10) + minor,
            processors,
            OptionalAttribute(driver, device, ClockRateAttribute) * 1e3,
            OptionalAttribute(driver, device, MemoryClockAttribute) * 1e3,
            OptionalAttribute(driver, device, BusWidthAttribute),
            Attribute(driver, device, SharedOptInAttribute));
        var info = new CudaDeviceInfo(ordinal, ReadName(driver, device), major, minor, processors, (long)bytes);
        return new CudaProperties(device, info, traits);
    }

    private static int Attribute(DriverTable driver, int device, int attribute)
    {
        int value;
        driver.cuDeviceGetAttribute(&value, attribute, device).Check(driver);
        return value;
    }

    // Clocks are on their way out of CUDA: a driver that no longer knows them is no error, the estimate does without.
    private static int OptionalAttribute(DriverTable driver, int device, int attribute)
    {
        int value;
        CudaResult result = driver.cuDeviceGetAttribute(&value, attribute, device);
        if (result == CudaResult.InvalidValue)
        {
            return 0;
        }

        result.Check(driver, nameof(DriverTable.cuDeviceGetAttribute));
        return value;
    }

    private static string ReadName(DriverTable driver, int device)
    {
        byte* name = stackalloc byte[256];
        driver.cuDeviceGetName(name, 256, device).Check(driver);
        return Marshal.PtrToStringUTF8((nint)name) ?? string.Empty;
    }
}
