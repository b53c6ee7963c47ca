namespace TeRA.Kernels.Formats;

/// <summary>
/// What PEFT's adapters may use that isn't computed here. Each would change the result silently if it were ignored, so each is refused by name.
/// </summary>
internal static class PeftRefusals
{
    private const string Modules = "merge them into the base model with PEFT, or train without them";
    private const string Elsewhere = "merge the adapter with PEFT and use the merged weights";
    private const string Changed = "this start changes the base weights; save it with PEFT's path_initial_model_for_weight_conversion, which makes a plain LoRA of it";

    private static readonly (string Key, string What, string Hint)[] Keys =
    [
        ("modules_to_save", "modules that are saved whole (modules_to_save)", Modules),
        ("use_dora", "DoRA (use_dora)", Elsewhere),
        ("lora_bias", "a bias on lora_B (lora_bias)", Elsewhere),
        ("use_qalora", "QALoRA (use_qalora)", Elsewhere),
        ("use_bdlora", "BD-LoRA (use_bdlora)", Elsewhere),
        ("alora_invocation_tokens", "activated LoRA (alora_invocation_tokens)", Elsewhere),
        ("arrow_config", "Arrow routing (arrow_config)", Elsewhere),
        ("kasa_config", "KaSA (kasa_config)", Elsewhere),
        ("monteclora_config", "MonteCLoRA (monteclora_config)", Elsewhere),
        ("target_parameters", "bare parameters (target_parameters)", Elsewhere),
        ("trainable_token_indices", "trained tokens (trainable_token_indices)", Elsewhere),
        ("layer_replication", "replicated layers (layer_replication)", Elsewhere),
    ];

    private static readonly string[] ChangingStarts = ["pissa", "olora", "corda", "loftq", "lora_ga"];

    private static readonly (string Part, string What, string Hint)[] Names =
    [
        (".lora_embedding_", "an embedding's LoRA", "train without embeddings among the targets, or merge with PEFT"),
        (".lora_magnitude_vector", "DoRA's magnitudes", Elsewhere),
        (".lora_B.bias", "a bias on lora_B (lora_bias)", Elsewhere),
        (".token_adapter.", "trained tokens", Elsewhere),
        ("randbasis_", "RandLoRA in the layout of the author's fork of PEFT (randbasis_A, randbasis_B)", "its formula differs from PEFT's; merge it with that fork"),
        ("basis_a", "RandLoRA in the layout of the author's loralib (basis_a, basis_b)", "its formula differs from PEFT's; merge it with that library"),
        ("basis_b", "RandLoRA in the layout of the author's loralib (basis_a, basis_b)", "its formula differs from PEFT's; merge it with that library"),
    ];

    public static void Check(AdapterConfig config, SafetensorsFile file)
    {
        foreach ((string key, string what, string hint) in Keys)
        {
            if (!config.IsOff(key))
            {
                throw Refusal(config.Path, what, hint);
            }
        }

        CheckStart(config);
        foreach (SafetensorsEntry entry in file.Tensors.Values)
        {
            foreach ((string part, string what, string hint) in Names)
            {
                if (entry.Name.Contains(part, StringComparison.Ordinal))
                {
                    throw Refusal(file.Path, $"{what}, the tensor {Quote.Text(entry.Name)}", hint);
                }
            }

            if (entry.Shape.Length > 2 && entry.Name.Contains(".lora_", StringComparison.Ordinal))
            {
                throw Refusal(file.Path, $"a convolution's LoRA, the tensor {Quote.Text(entry.Name)} of shape {Quote.Shape(entry.Shape.AsSpan())}", "train without convolutions among the targets, or merge with PEFT");
            }
        }
    }

    private static void CheckStart(AdapterConfig config)
    {
        const string Key = "init_lora_weights";
        if (config.TryGet(Key, out System.Text.Json.JsonElement value) && value.ValueKind == System.Text.Json.JsonValueKind.String)
        {
            string start = value.GetString()!;
            if (ChangingStarts.Any(known => start.StartsWith(known, StringComparison.OrdinalIgnoreCase)))
            {
                throw Refusal(config.Path, $"the start {Quote.Text(start)} ({Key})", Changed);
            }
        }
    }

    private static FileFormatException Refusal(string path, string what, string hint) =>
        new(path, FileRule.Unsupported, $"the adapter uses {what}, which isn't computed here: {hint}.");
}
