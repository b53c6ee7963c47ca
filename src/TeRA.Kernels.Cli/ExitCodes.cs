namespace TeRA.Kernels.Cli;

/// <summary>What the process answers. Documented in the README; programs may rely on it.</summary>
internal static class ExitCodes
{
    /// <summary>Everything asked for was done.</summary>
    public const int Success = 0;

    /// <summary>A failure that none of the others names: a full disk, a file that may not be written.</summary>
    public const int Failure = 1;

    /// <summary>The command line is wrong.</summary>
    public const int Usage = 2;

    /// <summary>An input file is missing, breaks its format, or does not fit the others.</summary>
    public const int BadInput = 3;

    /// <summary>The device asked for can't be used here.</summary>
    public const int NoDevice = 4;

    /// <summary>A check ran and found numbers out of bounds.</summary>
    public const int VerificationFailed = 5;

    /// <summary>The GPU's context died under the work; only a new process helps.</summary>
    public const int DeviceLost = 6;

    /// <summary>Ctrl-C or a termination signal.</summary>
    public const int Interrupted = 130;
}
