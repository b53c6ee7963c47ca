using System.Globalization;

namespace TeRA.Kernels.Formats;

/// <summary>How LOTR files name tensors.</summary>
internal static class LotrName
{
    public const string Core = "lotr_M";

    public static string Left(int group) => Side(group, "L");

    public static string Right(int group) => Side(group, "R");

    private static string Side(int group, string side) => string.Create(CultureInfo.InvariantCulture, $"{PeftName.SharedPrefix}lotr.{group}.{side}");
}
