using NUnit.Framework;

namespace TeRA.Kernels.Tests.Support;

/// <summary>The sources, for tests of texts and results that are kept beside the code.</summary>
internal static class Repository
{
    private const string Mark = "TeRA.Kernels.sln";

    /// <summary>The repository's folder, found upwards from the test program; ignores the test where the program was copied away from it.</summary>
    public static string Root()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, Mark)))
            {
                return folder.FullName;
            }
        }

        Assert.Ignore("the sources are not on this machine");
        return "";
    }
}
