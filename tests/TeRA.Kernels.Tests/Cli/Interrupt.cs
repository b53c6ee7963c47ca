using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using NUnit.Framework;

namespace TeRA.Kernels.Tests.Cli;

/// <summary>Ctrl-C's signal to another process, on Linux.</summary>
internal static partial class Interrupt
{
    private const int Number = 2;

    /// <summary>Whether this process ignores the signal. Processes that it starts inherit that.</summary>
    public static bool IsIgnored
    {
        get
        {
            string mask = File.ReadLines("/proc/self/status").First(line => line.StartsWith("SigIgn:", StringComparison.Ordinal));
            return (ulong.Parse(mask.AsSpan("SigIgn:".Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture) >> (Number - 1) & 1) != 0;
        }
    }

    public static void Send(Process process) => Assert.That(Kill(process.Id, Number), Is.Zero);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
