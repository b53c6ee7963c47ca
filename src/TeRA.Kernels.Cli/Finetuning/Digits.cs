using System.Globalization;
using System.IO.Compression;

namespace TeRA.Kernels.Cli.Finetuning;

/// <summary>The hand-written digits that come with the program: 8×8 images scaled to [0, 1], with their classes, split once by a fixed shuffle.</summary>
internal sealed class Digits
{
    /// <summary>Pixels of a side.</summary>
    public const int Side = 8;

    /// <summary>Pixels of an image.</summary>
    public const int Pixels = Side * Side;

    /// <summary>Digits.</summary>
    public const int Classes = 10;

    private const int HeldOut = 450;

    private Digits(float[] images, int[] labels)
    {
        Images = images;
        Labels = labels;
    }

    /// <summary>Row-major, one image a row.</summary>
    public float[] Images { get; }

    /// <summary>One class an image.</summary>
    public int[] Labels { get; }

    /// <summary>Number of images.</summary>
    public int Count => Labels.Length;

    /// <summary>The training images and the held-out images.</summary>
    public static (Digits Training, Digits HeldOut) Load(int seed)
    {
        Digits all = Read();
        int[] order = [.. Enumerable.Range(0, all.Count)];
        new System.Random(seed).Shuffle(order);
        return (all.Pick(order.AsSpan(HeldOut)), all.Pick(order.AsSpan(0, HeldOut)));
    }

    /// <summary>The shifted task: every image turned by a quarter and inverted. The classes stay.</summary>
    public Digits Shift()
    {
        var shifted = new float[Images.Length];
        for (int image = 0; image < Count; image++)
        {
            for (int y = 0; y < Side; y++)
            {
                for (int x = 0; x < Side; x++)
                {
                    shifted[(image * Pixels) + (x * Side) + (Side - 1 - y)] = 1 - Images[(image * Pixels) + (y * Side) + x];
                }
            }
        }

        return new Digits(shifted, Labels);
    }

    private Digits Pick(ReadOnlySpan<int> indices)
    {
        var images = new float[indices.Length * Pixels];
        var labels = new int[indices.Length];
        for (int i = 0; i < indices.Length; i++)
        {
            Images.AsSpan(indices[i] * Pixels, Pixels).CopyTo(images.AsSpan(i * Pixels));
            labels[i] = Labels[indices[i]];
        }

        return new Digits(images, labels);
    }

    private static Digits Read()
    {
        using Stream resource = typeof(Digits).Assembly.GetManifestResourceStream("digits.csv.gz")
            ?? throw new InvalidOperationException("digits.csv.gz is not embedded in this build.");
        using var reader = new StreamReader(new GZipStream(resource, CompressionMode.Decompress));
        var images = new List<float>();
        var labels = new List<int>();
        while (reader.ReadLine() is { Length: > 0 } line)
        {
            string[] fields = line.Split(',');
            images.AddRange(fields[..Pixels].Select(field => int.Parse(field, CultureInfo.InvariantCulture) / 16f));
            labels.Add(int.Parse(fields[Pixels], CultureInfo.InvariantCulture));
        }

        return new Digits([.. images], [.. labels]);
    }
}
