using System.Collections.Immutable;
using System.Globalization;

namespace TeRA.Kernels.Cuda;

/// <summary>Which target a compute capability is compiled for.</summary>
internal static class KernelArchitecture
{
    /// <summary>The targets that every kernel is tested to compile for. The suffix <c>a</c> unlocks what only that generation has.</summary>
    public static ImmutableArray<string> Tested { get; } = ["sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a"];

    /// <summary>The target for a device.</summary>
    public static string Target(int major, int minor)
    {
        string target = string.Create(CultureInfo.InvariantCulture, $"sm_{major}{minor}");
        string specific = target + "a";
        return Tested.Contains(specific) ? specific : target;
    }
}
