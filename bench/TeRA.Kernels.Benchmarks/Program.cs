using System.CommandLine;
using TeRA.Kernels;
using TeRA.Kernels.Benchmarks.Commands;

var root = new RootCommand("Measures TeRA.Kernels: on the device by CUDA events, on the host by BenchmarkDotNet; and makes tables and plots of the results.")
{
    LayersCommand.Create(),
    ProductsCommand.Create(),
    StepsCommand.Create(),
    RegretCommand.Create(),
    HostCommand.Create(),
    ReportCommands.CreateCompare(),
    ReportCommands.CreatePlot(),
    ReportCommands.CreateReadme(),
};
ParseResult line = root.Parse(args);
try
{
    int code = line.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
    return line.Errors.Count > 0 ? 2 : code;
}
catch (Exception error) when (error is ArgumentException or IOException or InvalidDataException or DeviceUnavailableException or DllNotFoundException)
{
    Console.Error.WriteLine(error.Message);
    return error switch { ArgumentException => 2, DeviceUnavailableException => 4, DllNotFoundException => 1, _ => 3 };
}
