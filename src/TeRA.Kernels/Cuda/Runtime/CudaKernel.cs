using System.Runtime.CompilerServices;

namespace TeRA.Kernels.Cuda;

/// <summary>A kernel that is loaded and can be launched. It lives as long as its device's context.</summary>
internal sealed unsafe class CudaKernel
{
    private const int MaxThreadsAttribute = 0;
    private const int StaticSharedAttribute = 1;
    private const int LocalBytesAttribute = 3;
    private const int RegistersAttribute = 4;
    private const int DynamicSharedAttribute = 8;

    // Compute capability 9.0; every driver that knows it knows the launch attribute.
    private const int FirstOverlapping = 90;

    private readonly CudaDevice device;
    private readonly nint function;
    private readonly Lock gate = new();
    private int allowedSharedBytes = 48 * 1024;

    /// <summary>Reads the attributes of <paramref name="function"/>; the device's context is current.</summary>
    internal CudaKernel(CudaDevice device, nint function, string name)
    {
        this.device = device;
        this.function = function;
        Name = name;
        Registers = Attribute(RegistersAttribute);
        LocalBytes = Attribute(LocalBytesAttribute);
        StaticSharedBytes = Attribute(StaticSharedAttribute);
        MaxThreadsPerBlock = Attribute(MaxThreadsAttribute);
        ArgumentBytes = ReadArgumentBytes();
    }

    /// <summary>The driver's handle.</summary>
    public nint Function => function;

    /// <summary>The entry's name.</summary>
    public string Name { get; }

    /// <summary>Registers of a thread.</summary>
    public int Registers { get; }

    /// <summary>Local memory of a thread, spills among it.</summary>
    public int LocalBytes { get; }

    /// <summary>Shared memory that the code declares itself.</summary>
    public int StaticSharedBytes { get; }

    /// <summary>Most threads of a block.</summary>
    public int MaxThreadsPerBlock { get; }

    /// <summary>Size of the kernel's argument struct; 0 where the driver can't tell (before 12.4).</summary>
    public int ArgumentBytes { get; }

    /// <summary>Allows launches with up to <paramref name="bytes"/> of dynamic shared memory.</summary>
    /// <exception cref="CudaException">It is more than the device offers.</exception>
    public void AllowSharedMemory(int bytes)
    {
        lock (gate)
        {
            if (bytes <= allowedSharedBytes)
            {
                return;
            }

            using PrimaryContext.Scope scope = device.Context.Enter();
            device.Context.Driver.cuFuncSetAttribute(function, DynamicSharedAttribute, bytes).Check(device.Context);
            allowedSharedBytes = bytes;
        }
    }

    /// <summary>Blocks of this shape that one multiprocessor holds at once.</summary>
    public int MaxBlocksPerProcessor(int threads, int sharedBytes)
    {
        int blocks;
        using PrimaryContext.Scope scope = device.Context.Enter();
        device.Context.Driver.cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, threads, (nuint)sharedBytes).Check(device.Context);
        return blocks;
    }

    /// <summary>Launches the kernel; an empty grid launches nothing. Allocates nothing and does not wait.</summary>
    /// <param name="arguments">The one argument, passed by value.</param>
    /// <param name="grid">Blocks.</param>
    /// <param name="threads">Threads of a block, in one dimension.</param>
    /// <param name="sharedBytes">Dynamic shared memory; above 48 KiB call <see cref="AllowSharedMemory"/> first.</param>
    /// <param name="stream">Where to.</param>
    /// <param name="overlaps">
    /// The kernel may start while the one before it in the stream still runs: its blocks set themselves up, then wait for that one to end. Only for kernels
    /// that keep the rules in kernels/ptx/griddepcontrol.cuh. Devices before compute capability 9.0 launch it as any other.
    /// </param>
    /// <exception cref="InvalidOperationException">The struct's size is not the kernel's.</exception>
    public void Launch<TArguments>(
        in TArguments arguments, (uint X, uint Y, uint Z) grid, int threads, int sharedBytes, StreamHandle stream, bool overlaps = false)
        where TArguments : unmanaged
    {
        if (grid.X == 0 || grid.Y == 0 || grid.Z == 0)
        {
            return;
        }

        if (ArgumentBytes != 0 && Unsafe.SizeOf<TArguments>() != ArgumentBytes)
        {
            ThrowArgumentSize(typeof(TArguments), Unsafe.SizeOf<TArguments>());
        }

        fixed (TArguments* pointer = &arguments)
        {
            Launch(pointer, grid, threads, sharedBytes, stream, overlaps && device.Traits.Architecture >= FirstOverlapping);
        }
    }

    private void Launch(void* arguments, (uint X, uint Y, uint Z) grid, int threads, int sharedBytes, StreamHandle stream, bool overlaps)
    {
        PrimaryContext context = device.Context;
        using PrimaryContext.Scope scope = context.Enter();
        var overlap = new LaunchAttribute { Id = LaunchAttribute.ProgrammaticStreamSerialization, Value = 1 };
        var config = new LaunchConfig
        {
            GridX = grid.X,
            GridY = grid.Y,
            GridZ = grid.Z,
            BlockX = (uint)threads,
            BlockY = 1,
            BlockZ = 1,
            SharedBytes = (uint)sharedBytes,
            Stream = device.Resolve(stream),
            Attributes = overlaps ? &overlap : null,
            AttributeCount = overlaps ? 1u : 0u,
        };
        CudaResult result = context.Driver.cuLaunchKernelEx(&config, function, &arguments, null);
        if (result != CudaResult.Success)
        {
            throw context.Failure(
                result,
                nameof(context.Driver.cuLaunchKernelEx),
                $"Kernel {Name}, grid {grid.X}×{grid.Y}×{grid.Z}, {threads} threads, {sharedBytes} bytes of shared memory.");
        }
    }

    private int Attribute(int attribute)
    {
        int value;
        device.Context.Driver.cuFuncGetAttribute(&value, attribute, function).Check(device.Context);
        return value;
    }

    private int ReadArgumentBytes()
    {
        nuint offset;
        nuint bytes;
        CudaResult result = device.Context.Driver.cuFuncGetParamInfo(function, 0, &offset, &bytes);
        if (result is CudaResult.NotFound or CudaResult.InvalidValue)
        {
            // An older driver, or a kernel without arguments.
            return 0;
        }

        result.Check(device.Context, nameof(DriverTable.cuFuncGetParamInfo));
        return (int)bytes;
    }

    private void ThrowArgumentSize(Type type, int found) => throw new InvalidOperationException(
        $"{Name} takes an argument of {ArgumentBytes} bytes, {type.Name} has {found}: the struct and its twin in kernels/ differ.");
}
