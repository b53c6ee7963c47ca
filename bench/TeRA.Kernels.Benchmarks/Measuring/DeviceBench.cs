using TeRA.Kernels.Benchmarks.Reporting;

namespace TeRA.Kernels.Benchmarks.Measuring;

/// <summary>What every command that times the device shares: the device, a timer, cuBLASLt, and which rows were asked for.</summary>
internal sealed class DeviceBench : IDisposable
{
    private readonly string[] patterns;
    private readonly Lazy<CublasLt> cublas;

    /// <summary>Opens the first GPU.</summary>
    /// <param name="patterns">Rows to run, all for none.</param>
    /// <param name="repeats">Runs of each candidate that count.</param>
    /// <exception cref="DeviceUnavailableException">There is none.</exception>
    public DeviceBench(string[] patterns, int repeats)
    {
        this.patterns = patterns;
        Device = CudaDevice.Open();
        Timer = new DeviceTimer(Device, repeats);
        cublas = new Lazy<CublasLt>(() => new CublasLt(Device));
    }

    /// <summary>The GPU.</summary>
    public CudaDevice Device { get; }

    /// <summary>Its timer.</summary>
    public DeviceTimer Timer { get; }

    /// <summary>What is compared with; loaded on first use.</summary>
    public CublasLt Cublas => cublas.Value;

    /// <summary>Whether a row of this name was asked for.</summary>
    public bool Wants(string name) => RowFilter.Matches(patterns, name);

    /// <summary>Where the rows of a command go.</summary>
    /// <param name="command">The command.</param>
    /// <param name="json">A file; null for none.</param>
    public RowRecorder<TRow> Record<TRow>(string command, string? json) => new(Circumstances.Result<TRow>(command, Device.Name, []), json);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (cublas.IsValueCreated)
        {
            cublas.Value.Dispose();
        }

        Timer.Dispose();
        Device.Dispose();
    }
}
