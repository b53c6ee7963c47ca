using System.Text;
using TeRA.Kernels.Formats;

namespace TeRA.Kernels.Tests.Formats.Peft;

/// <summary>Adapters that PEFT wrote, and small ones of our own to break.</summary>
internal static class PeftFixtures
{
    /// <summary>Every folder that PEFT 0.21.0 wrote.</summary>
    public static string[] Golden { get; } =
    [
        "lora-square", "vera-square", "vera-mixed-noproj", "randlora-square", "randlora-tall", "randlora-mixed",
        "randlora-mixed-noproj", "randlora-mixed-sparse", "randlora-sparse-noproj",
    ];

    public const string Lora = """{"peft_type":"LORA","r":2,"lora_alpha":6,"target_modules":["q","v"]}""";

    public const string Vera = """{"peft_type":"VERA","r":3,"projection_prng_key":7,"save_projection":false,"target_modules":["q","v"]}""";

    public const string RandLora = """{"peft_type":"RANDLORA","r":2,"randlora_alpha":4,"projection_prng_key":7,"save_projection":false,"target_modules":["q","v"]}""";

    /// <summary>The base of the small adapters.</summary>
    public static Dictionary<string, LayerSize> Base { get; } = new() { ["m.q"] = new(6, 4), ["m.v"] = new(3, 5), ["m.o"] = new(4, 4) };

    public static string Folder(string golden) => Path.Combine(AppContext.BaseDirectory, "data", "peft", golden);

    public static Dictionary<string, SafetensorsSource> LoraTensors() => Tensors(
        Random("base_model.model.m.q.lora_A.weight", 2, 4), Random("base_model.model.m.q.lora_B.weight", 6, 2),
        Random("base_model.model.m.v.lora_A.weight", 2, 5), Random("base_model.model.m.v.lora_B.weight", 3, 2));

    public static Dictionary<string, SafetensorsSource> VeraTensors() => Tensors(
        Random("base_model.model.m.q.vera_lambda_b", 6), Random("base_model.model.m.q.vera_lambda_d", 3),
        Random("base_model.model.m.v.vera_lambda_b", 3), Random("base_model.model.m.v.vera_lambda_d", 3));

    public static Dictionary<string, SafetensorsSource> RandLoraTensors() => Tensors(
        Random("base_model.model.m.q.randlora_lambda", 2, 2), Random("base_model.model.m.q.randlora_gamma", 2, 4),
        Random("base_model.model.m.v.randlora_lambda", 2, 2), Random("base_model.model.m.v.randlora_gamma", 2, 3));

    public static SafetensorsSource Random(string name, params long[] shape)
    {
        var random = new Random(name.Sum(letter => letter));
        long count = shape.Aggregate(1L, (product, length) => product * length);
        return SafetensorsSource.From(name, Enumerable.Range(0, (int)count).Select(_ => random.NextSingle() - 0.5f).ToArray(), shape);
    }

    /// <summary>A base checkpoint in one dtype, with a bias on every layer, and a tensor that no adapter touches.</summary>
    public static void WriteBase(string path, SafetensorsDType dtype = SafetensorsDType.F32, IReadOnlyDictionary<string, string>? metadata = null) =>
        SafetensorsWriter.Write(path, BaseTensors(dtype), metadata, overwrite: true);

    public static IEnumerable<SafetensorsSource> BaseTensors(SafetensorsDType dtype = SafetensorsDType.F32) =>
    [
        .. Base.Select(module => As(Random(module.Key + ".weight", module.Value.OutFeatures, module.Value.InFeatures), dtype)),
        .. Base.Select(module => As(Random(module.Key + ".bias", module.Value.OutFeatures), dtype)),
        FormatFixtures.Zeros("steps", SafetensorsDType.I64, 3),
    ];

    public static string WriteAdapter(TemporaryFolder folder, string config, IEnumerable<SafetensorsSource> tensors, string name = "adapter")
    {
        FormatFixtures.WriteAdapter(folder[name], config, tensors);
        return folder[name];
    }

    public static string With(string json, string key, string value) => Encoding.UTF8.GetString(FormatFixtures.Config(json).WithJson(key, value).ToUtf8());

    private static Dictionary<string, SafetensorsSource> Tensors(params SafetensorsSource[] sources) => sources.ToDictionary(source => source.Name);

    private static SafetensorsSource As(SafetensorsSource source, SafetensorsDType dtype)
    {
        using var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, [source]);
        float[] values = new float[source.ByteCount / 4];
        Buffer.BlockCopy(stream.ToArray(), (int)(stream.Length - source.ByteCount), values, 0, (int)source.ByteCount);
        return dtype switch
        {
            SafetensorsDType.BF16 => SafetensorsSource.From(source.Name, Array.ConvertAll(values, value => (BFloat16)value), source.Shape.AsSpan()),
            SafetensorsDType.F16 => SafetensorsSource.From(source.Name, Array.ConvertAll(values, value => (Half)value), source.Shape.AsSpan()),
            SafetensorsDType.F64 => SafetensorsSource.From(source.Name, Array.ConvertAll(values, value => (double)value), source.Shape.AsSpan()),
            _ => source,
        };
    }
}
