namespace TeRA.Kernels.Formats;

/// <summary>Which reader takes which peft_type.</summary>
internal static class AdapterTypes
{
    public static Adapter Open(string folder, AdapterConfig config, SafetensorsFile file, AdapterLoadOptions options) => config.PeftType switch
    {
        TeraConfig.PeftTypeName => TeraFolder.Open(folder, config, file),
        LoraMethod.Type or VeraMethod.Type or RandLoraMethod.Type => PeftAdapter.Open(folder, config, file, options),
        LotrConfig.Type => LotrFolder.Open(folder, config, file),
        string other => throw new FileFormatException(
            config.Path, FileRule.AdapterType,
            $"expected peft_type \"TERA\", \"LOTR\", \"LORA\", \"VERA\" or \"RANDLORA\", found {Quote.Text(other)}: adapters of that method aren't read here."),
    };
}
