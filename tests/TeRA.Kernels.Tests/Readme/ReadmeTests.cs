using NUnit.Framework;
using TeRA.Kernels.Tests.Support;

namespace TeRA.Kernels.Tests.Readme;

/// <summary>The README's example compiles and runs, and what the README names exists.</summary>
public class ReadmeTests
{
    private static readonly string[] Rooms = ["kernels", "src", "tests", "bench", "cmake", "TeRA.Kernels.sln", "CMakeLists.txt"];

    [Test]
    public void The_example_is_the_one_that_is_compiled_here()
    {
        string[] readme = Block(File.ReadAllLines(Path.Combine(Repository.Root(), "README.md")), "```csharp", "```");
        string[] compiled = Block(File.ReadAllLines(Path.Combine(Repository.Root(), "tests/TeRA.Kernels.Tests/Readme/ReadmeExample.cs")), "// <example>", "// </example>");
        string[] body = [.. readme.Where(line => line.Length > 0 && !line.StartsWith("using TeRA.Kernels;", StringComparison.Ordinal))];
        Assert.That(compiled.Where(line => line.Trim().Length > 0).Select(line => line.Trim()), Is.EqualTo(body.Select(line => line.Trim())));
        Assert.That(readme, Has.Length.LessThan(40), "one screen");
    }

    [Test]
    public void The_example_trains()
    {
        using var output = new StringWriter();
        TextWriter before = Console.Out;
        try
        {
            Console.SetOut(output);
            ReadmeExample.Run();
        }
        finally
        {
            Console.SetOut(before);
        }

        Assert.That(output.ToString(), Does.Contain("trained numbers 48"));
    }

    [Test]
    public void The_rooms_of_the_layout_exist()
    {
        foreach (string room in Rooms)
        {
            Assert.That(Path.Exists(Path.Combine(Repository.Root(), room)), room);
        }
    }

    [Test]
    public void Every_link_leads_somewhere()
    {
        string text = File.ReadAllText(Path.Combine(Repository.Root(), "README.md"));
        foreach (string target in text.Split("](").Skip(1).Select(rest => rest.Split(')')[0]).Where(target => !target.Contains("://", StringComparison.Ordinal)))
        {
            Assert.That(Path.Exists(Path.Combine(Repository.Root(), target)), target);
        }
    }

    private static string[] Block(string[] lines, string begin, string end)
    {
        int first = Array.FindIndex(lines, line => line.Trim() == begin) + 1;
        return lines[first..Array.FindIndex(lines, first, line => line.Trim() == end)];
    }
}
