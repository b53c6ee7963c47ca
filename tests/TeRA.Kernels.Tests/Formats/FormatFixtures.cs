using System.Buffers.Binary;
using System.Text;
using TeRA.Kernels.Formats;

namespace TeRA.Kernels.Tests.Formats;

/// <summary>Files to read and break.</summary>
internal static class FormatFixtures
{
    public const string GoodConfig = """
        {
          "base_model_name_or_path": null,
          "distribution": "normal",
          "factor_format": 1,
          "peft_type": "TERA",
          "scale": 1.0,
          "seed": 42,
          "shapes": {
            "12x6": {
              "col_modes": [
                2,
                3
              ],
              "col_ranks": [
                2,
                2
              ],
              "row_modes": [
                12
              ],
              "row_ranks": [
                5
              ]
            }
          },
          "target_modules": [
            "a.b",
            "c"
          ]
        }
        """;

    /// <summary>A file that other tools wrote, copied beside the tests.</summary>
    public static string Data(string name) => Path.Combine(AppContext.BaseDirectory, "data", "safetensors", name);

    /// <summary>A safetensors file of a header and so many bytes of data, however wrong.</summary>
    public static byte[] File(string header, int dataBytes = 0) => File(Encoding.UTF8.GetBytes(header), dataBytes);

    public static byte[] File(byte[] header, int dataBytes = 0)
    {
        byte[] file = new byte[8 + header.Length + dataBytes];
        BinaryPrimitives.WriteInt64LittleEndian(file, header.Length);
        header.CopyTo(file, 8);
        return file;
    }

    public static SafetensorsHeader Parse(byte[] file) => SafetensorsHeader.Parse(file, file.Length, "memory");

    public static byte[] Write(IEnumerable<SafetensorsSource> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        using var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, tensors, metadata);
        return stream.ToArray();
    }

    public static SafetensorsSource Zeros(string name, SafetensorsDType dtype, params long[] shape)
    {
        long bytes = shape.Aggregate(1L, (product, length) => product * length) * dtype.Bits() / 8;
        return SafetensorsSource.From(name, dtype, stream => stream.Write(new byte[bytes]), shape);
    }

    /// <summary>An adapter with two modules, one vector for the rows and two for the columns, as <see cref="GoodConfig"/> says.</summary>
    public static TeraAdapter Adapter(ulong seed = 42, Distribution distribution = default, double scale = 1)
    {
        var update = new TeraUpdate([12], [5], [2, 3], [2, 2], seed, distribution, scale);
        return TeraAdapter.Create([("a.b", update, Vectors(update, 1)), ("c", update, Vectors(update, 2))]);
    }

    public static TeraVectors Vectors(TeraUpdate update, int seed)
    {
        var random = new Random(seed);
        return TeraVectors.Of(update, [.. update.Trained.Select(tensor => Enumerable.Range(0, (int)tensor.Count).Select(_ => random.NextSingle() - 0.5f).ToArray())]);
    }

    /// <summary>The tensors of a good adapter file; tests drop, add or change some.</summary>
    public static Dictionary<string, SafetensorsSource> AdapterTensors() => new[]
    {
        Zeros("base_model.model.a.b.tera_row.0", SafetensorsDType.F32, 5),
        Zeros("base_model.model.a.b.tera_col.0", SafetensorsDType.F32, 2),
        Zeros("base_model.model.a.b.tera_col.1", SafetensorsDType.F32, 2),
        Zeros("base_model.model.c.tera_row.0", SafetensorsDType.F32, 5),
        Zeros("base_model.model.c.tera_col.0", SafetensorsDType.F32, 2),
        Zeros("base_model.model.c.tera_col.1", SafetensorsDType.F32, 2),
    }.ToDictionary(source => source.Name);

    public static void WriteAdapter(string folder, string config, IEnumerable<SafetensorsSource> tensors)
    {
        Directory.CreateDirectory(folder);
        System.IO.File.WriteAllText(Path.Combine(folder, AdapterFolder.ConfigName), config);
        System.IO.File.WriteAllBytes(Path.Combine(folder, AdapterFolder.TensorsName), Write(tensors));
    }

    public static AdapterConfig Config(string json) => AdapterConfig.Parse(Encoding.UTF8.GetBytes(json), "adapter_config.json");

}
