using NUnit.Framework;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Support;

/// <summary>Asserts on comparisons.</summary>
internal static class Check
{
    /// <summary>Fails the test with the comparison's report unless it passed.</summary>
    public static void That(Comparison comparison, string context = "") =>
        Assert.That(comparison.Passed, Is.True, () => $"{context}\n{comparison.Report}");
}
