using System.IO.Enumeration;

namespace TeRA.Kernels.Benchmarks.Reporting;

/// <summary>Which rows <c>--only</c> asks for.</summary>
internal static class RowFilter
{
    /// <summary>Whether one of the patterns, with * and ?, occurs in the name, in any case, × as x and ² as 2; true for no patterns.</summary>
    public static bool Matches(string[] patterns, string name) =>
        patterns.Length == 0 || patterns.Any(pattern => FileSystemName.MatchesSimpleExpression($"*{Plain(pattern)}*", Plain(name), ignoreCase: true));

    private static string Plain(string text) => text.Replace('×', 'x').Replace('²', '2').Replace('³', '3');
}
