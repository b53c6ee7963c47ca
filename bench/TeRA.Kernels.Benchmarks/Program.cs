using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using TeRA.Kernels;
using TeRA.Kernels.Benchmarks;
using TeRA.Kernels.Benchmarks.Commands;
using TeRA.Kernels.Benchmarks.Measuring;

// products | layers | steps: timed on the device, with --json FILE; host: nanoseconds and bytes of a call, by BenchmarkDotNet.
const string usage = "usage: products | layers | steps [--json FILE] | host";
switch (args.FirstOrDefault())
{
    case "products" or "layers" or "steps":
        using (CudaDevice device = CudaDevice.Open())
        {
            Report report = args[0] == "products" ? ProductsCommand.Run(device) : args[0] == "layers" ? LayersCommand.Run(device) : StepsCommand.Run(device);
            if (args.Length == 3 && args[1] == "--json")
            {
                report.WriteJson(args[2]);
            }
        }

        return 0;
    case "host":
        BenchmarkRunner.Run<HostBenchmarks>(DefaultConfig.Instance.AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance)));
        return 0;
    default:
        Console.Error.WriteLine(usage);
        return 2;
}
