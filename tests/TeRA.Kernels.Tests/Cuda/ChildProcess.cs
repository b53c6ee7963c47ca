using System.Diagnostics;
using System.Text;

namespace TeRA.Kernels.Tests.Cuda;

/// <summary>One test of this assembly in a process of its own.</summary>
internal sealed class ChildProcess
{
    private readonly Process process;
    private readonly StringBuilder output = new();

    private ChildProcess(Process process) => this.process = process;

    /// <summary>Starts the test that is called <paramref name="test"/>.</summary>
    public static ChildProcess Start(string test, params (string Name, string Value)[] environment)
    {
        string assembly = typeof(ChildProcess).Assembly.Location;
        var start = new ProcessStartInfo("dotnet", [assembly, "--filter", $"FullyQualifiedName~{test}", "--results-directory", Path.GetTempPath()])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        var child = new ChildProcess(Process.Start(start)!);
        child.process.OutputDataReceived += child.Append;
        child.process.ErrorDataReceived += child.Append;
        child.process.BeginOutputReadLine();
        child.process.BeginErrorReadLine();
        return child;
    }

    /// <summary>Waits for its end; a child that hangs is killed, and the test that asked fails.</summary>
    public (int ExitCode, string Output) Wait(TimeSpan limit)
    {
        using (process)
        {
            if (!process.WaitForExit(limit))
            {
                process.Kill(entireProcessTree: true);
                throw new TimeoutException($"The child did not end within {limit}: {output}");
            }

            process.WaitForExit();
            lock (output)
            {
                return (process.ExitCode, output.ToString());
            }
        }
    }

    private void Append(object sender, DataReceivedEventArgs line)
    {
        lock (output)
        {
            output.AppendLine(line.Data);
        }
    }
}
