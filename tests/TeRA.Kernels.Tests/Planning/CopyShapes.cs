namespace TeRA.Kernels.Tests.Planning;

/// <summary>Scaled copies of many shapes, for what must hold of every cut.</summary>
internal static class CopyShapes
{
    public static IEnumerable<(long Copies, long Rows, long Columns)> All =>
        from copies in new long[] { 1, 3, 128, 700 }
        from rows in new long[] { 1, 17, 32, 129, 4096, 128256 }
        from columns in Columns()
        select (copies, rows, columns);

    private static IEnumerable<long> Columns()
    {
        for (long columns = 1; columns < 20000; columns += 1 + (columns / 3))
        {
            yield return columns;
        }
    }
}
