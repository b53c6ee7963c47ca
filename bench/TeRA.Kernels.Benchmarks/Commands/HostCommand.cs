using System.CommandLine;
using System.Text;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using TeRA.Kernels.Benchmarks.Measuring;
using TeRA.Kernels.Benchmarks.Reporting;

namespace TeRA.Kernels.Benchmarks.Commands;

/// <summary><c>host</c>: nanoseconds and managed bytes of calls, by BenchmarkDotNet in this very process.</summary>
internal static class HostCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new Command("host", "Nanoseconds and managed bytes of a forward, a backward, a kernel launch, the driver's part of it and a graph replay on the host, by BenchmarkDotNet.") { DeviceOptions.JsonOption };
        command.SetAction(result => Run(result.GetValue(DeviceOptions.JsonOption)));
        return command;
    }

    private static void Run(string? json)
    {
        bool gpu = DeviceProbe.Run().IsCudaUsable;
        string name;
        using (Device device = Device.Open("auto"))
        {
            name = device.Name;
        }

        // One invocation an iteration: the queue is emptied between two of them. Warm for as long as the runtime takes to compile what is called often once more.
        Job job = Job.Default.WithToolchain(InProcessEmitToolchain.Instance).WithInvocationCount(1).WithUnrollFactor(1).WithWarmupCount(100).WithIterationCount(60);
        var log = new QuietLogger();
        IConfig config = ManualConfig.CreateEmpty().AddJob(job).AddLogger(log).AddColumnProvider(DefaultConfig.Instance.GetColumnProviders().ToArray())
            .WithArtifactsPath(Path.Combine(Path.GetTempPath(), "tera-benchmarks"));
        Summary summary = BenchmarkRunner.Run(gpu ? typeof(LaunchBenchmarks) : typeof(HostBenchmarks), config);
        HostRow[] rows = [.. summary.Reports.Where(report => report.ResultStatistics is not null).Select(Row)];
        if (rows.Length == 0)
        {
            Console.Error.WriteLine(log);
            throw new InvalidOperationException("BenchmarkDotNet measured nothing; its log is above.");
        }

        var table = new TextTable(Console.Out, 16, "ns", "std_error", "bytes");
        foreach (HostRow row in rows)
        {
            table.Add(row.Name, row.Nanoseconds, row.StandardError, row.Bytes);
        }

        ResultFile<HostRow> result = Circumstances.Result("host", name, rows);
        Console.WriteLine(result.Circumstances);
        if (json is not null)
        {
            ResultFile.Write(json, result);
        }
    }

    private static HostRow Row(BenchmarkReport report) => new(
        report.BenchmarkCase.Descriptor.WorkloadMethod.Name, report.ResultStatistics!.Mean, report.ResultStatistics.StandardError, report.GcStats.GetBytesAllocatedPerOperation(report.BenchmarkCase));

    /// <summary>Keeps BenchmarkDotNet's log for the case that something goes wrong.</summary>
    private sealed class QuietLogger : ILogger
    {
        private readonly StringBuilder text = new();

        public string Id => nameof(QuietLogger);

        public int Priority => 0;

        public void Write(LogKind logKind, string line) => text.Append(line);

        public void WriteLine() => text.AppendLine();

        public void WriteLine(LogKind logKind, string line) => text.AppendLine(line);

        public void Flush()
        {
        }

        public override string ToString() => text.ToString();
    }
}
