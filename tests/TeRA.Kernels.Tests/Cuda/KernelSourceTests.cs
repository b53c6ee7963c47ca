using System.Globalization;
using System.Text.RegularExpressions;
using NUnit.Framework;
using TeRA.Kernels.Cuda;

namespace TeRA.Kernels.Tests.Cuda;

/// <summary>What the embedded sources promise, read as text.</summary>
[TestFixture]
internal sealed class KernelSourceTests
{
    // Each folder's files include those of their own folder and of the folders named here.
    private static readonly Dictionary<string, string[]> Below = new()
    {
        ["ptx"] = [],
        ["common"] = ["ptx"],
        ["random"] = ["ptx", "common"],
        ["elementwise"] = ["ptx", "common"],
        ["optim"] = ["ptx", "common"],
        ["gemm"] = ["ptx", "common", "random"],
        ["kronecker"] = ["ptx", "common", "random", "gemm"],
    };

    private static IEnumerable<string> KernelFiles => KernelSources.Embedded.Names.Where(name => name.EndsWith(".cu", StringComparison.Ordinal));

    [TestCaseSource(nameof(KernelFiles))]
    public void No_kernel_is_forgotten_in_the_list_of_variants(string file) =>
        Assert.That(StepLauncher.Variants.Any(request => request.File == file), Is.True, "a launcher offers it in its Variants");

    [Test]
    public void Kernels_include_nothing_but_kernels()
    {
        foreach (string name in KernelSources.Embedded.Names)
        {
            // Quoted includes are resolved among the kernels, so one in angle brackets is the only way out.
            Assert.That(KernelSources.Embedded.Text(name), Does.Not.Match(@"(?m)^\s*#\s*include\s*<"), name);
        }
    }

    // What a kernel relies on that begins before a product has ended (random/fill.cu).
    [TestCase("gemm/matrix_product.cu")]
    [TestCase("gemm/split_sum.cu")]
    [TestCase("gemm/wgmma_product.cu")]
    [TestCase("gemm/wgmma_thin_product.cu")]
    public void Products_wait_before_they_let_others_start(string file)
    {
        string text = KernelSources.Embedded.Text(file);
        int start = text.IndexOf("griddepcontrol_launch_dependents()", StringComparison.Ordinal), wait = text.IndexOf("griddepcontrol_wait()", StringComparison.Ordinal);
        Assert.That(start < 0 || (wait >= 0 && wait < start), Is.True, "the wait comes first, or others start at the end");
    }

    // The launcher's early start and the kernel's hint to L2 go by one number.
    [Test]
    public void Few_tiles_are_as_many_for_the_kernel_as_for_its_launcher() =>
        Assert.That(KernelSources.Embedded.Text("kronecker/modes_config.cuh"), Does.Contain($"constexpr int kFewTiles = {WgmmaModesShape.FewTiles};"));

    [Test]
    public void Folders_include_one_way_only()
    {
        foreach (string name in KernelSources.Embedded.Names)
        {
            string folder = name[..name.IndexOf('/', StringComparison.Ordinal)];
            IEnumerable<string> included = Regex.Matches(KernelSources.Embedded.Text(name), @"(?m)^\s*#\s*include\s*""([a-z]+)/").Select(match => match.Groups[1].Value).Distinct();
            Assert.That(included, Is.SubsetOf(Below[folder].Append(folder)), name);
        }
    }

    [Test]
    public void Assembly_stands_in_its_own_folder_only()
    {
        foreach (string name in KernelSources.Embedded.Names.Where(name => !name.StartsWith("ptx/", StringComparison.Ordinal)))
        {
            Assert.That(KernelSources.Embedded.Text(name), Does.Not.Match(@"\basm\b\s*(volatile)?\s*\("), name);
        }
    }

    [Test]
    public void The_manifest_names_every_cubin_once()
    {
        using var writer = new StringWriter(CultureInfo.InvariantCulture);
        KernelManifest.Write(writer, KernelArchitecture.Tested);
        string[][] lines = [.. writer.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('\t'))];
        Assert.That(lines, Is.All.Length.EqualTo(4));
        Assert.That(lines.Select(line => line[2]), Is.Unique);
        Assert.That(lines.Count(line => line[0] == "common/probe.cu"), Is.EqualTo(KernelArchitecture.Tested.Length));
    }
}
