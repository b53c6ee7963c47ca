using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cli.Applying;

/// <summary>Moves tensors between files, the host and a device, with one rounding when the dtype changes.</summary>
internal static class HostTensors
{
    /// <summary>A host tensor in another dtype and on another device; the host tensor is used up.</summary>
    public static Tensor Convert(Tensor host, DType dtype, Device device)
    {
        Tensor converted = Round(host, dtype);
        if (device.Kind == DeviceKind.Cpu)
        {
            return converted;
        }

        using (converted)
        {
            Tensor tensor = device.Allocate(dtype, converted.Shape);
            CopyChunks(converted, (bytes, offset) => device.CopyIn(tensor.Address + (nint)offset, bytes, default));
            return tensor;
        }
    }

    /// <summary>A device tensor on the host, in the dtype that its file gets.</summary>
    public static Tensor ToHost(Tensor tensor, DType dtype)
    {
        Tensor host = CpuDevice.Shared.Allocate(tensor.DType, tensor.Shape);
        tensor.Device.Synchronize();
        CopyChunks(host, (bytes, offset) => tensor.Device.CopyOut(tensor.Address + (nint)offset, bytes, default));
        return Round(host, dtype);
    }

    private static Tensor Round(Tensor host, DType dtype)
    {
        if (host.DType == dtype)
        {
            return host;
        }

        using (host)
        {
            Tensor rounded = CpuDevice.Shared.Allocate(dtype, host.Shape);
            var step = new ConvertStep(new Operand(1, host.DType), new Operand(2, dtype), host.ElementCount) { Label = "convert" };
            CpuDevice.Shared.Compile(step).Run([0, host.Address, rounded.Address], default);
            return rounded;
        }
    }

    private delegate void Chunk(Span<byte> bytes, long offset);

    private static unsafe void CopyChunks(Tensor host, Chunk copy)
    {
        const int Largest = 1 << 28;
        for (long offset = 0; offset < host.ByteCount; offset += Largest)
        {
            copy(new Span<byte>((byte*)host.Address + offset, (int)Math.Min(Largest, host.ByteCount - offset)), offset);
        }
    }
}
