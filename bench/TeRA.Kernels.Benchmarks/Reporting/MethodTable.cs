using System.Globalization;
using System.Text;

namespace TeRA.Kernels.Benchmarks.Reporting;

/// <summary>The README's table of methods, with what each costs as measured.</summary>
internal static class MethodTable
{
    /// <summary>The line before it.</summary>
    public const string Begin = "<!-- methods: written by `bench readme`, costs from the result files -->";

    /// <summary>The line after it.</summary>
    public const string End = "<!-- end of the methods -->";

    // Update, ΔW, trained numbers, rank, what for, and the measured layers by which the cost is told, with their names in short.
    private static readonly (string Update, string Formula, string Trained, string Rank, string Use, (string Method, string Name)[] Measured)[] Methods =
    [
        ("`TeraUpdate` (TeRA, arXiv 2509.03234)", "`(⊗Aₙ)·diag(⊗dₙ) · G · diag(⊗eₘ)·(⊗Cₘ)ᵀ`", "`Σ Rₙ + Σ Sₘ`", "`min(Π min(Jₙ,Rₙ), Π min(Iₘ,Sₘ))`",
            "high rank from some hundred numbers: adapters of kilobytes", [("tera_r512", "rank 512"), ("tera_full", "full rank")]),
        ("`LowRankUpdate` (LoRA, 2106.09685)", "`B · A`", "`r·(N + K)`", "r", "the format that every tool reads; the most to train at low rank", [("lora_r16", "r = 16"), ("lora_r64", "r = 64")]),
        ("`LotrUpdate` (LoTR, 2402.01376)", "`L · M · R`; L, R frozen, or trained and shared by a `LotrGroup`", "`r²` (+ `r·(N + K)` a group)", "r",
            "many layers of one size with a small core each", [("lotr_r64", "r = 64"), ("lotr_r64_trained", "sides trained")]),
        ("`VeraUpdate` (VeRA, 2310.11454)", "`diag(b)·B · diag(d)·A`; A, B frozen", "`N + r`", "r", "few numbers at low rank, in a file that PEFT reads", [("vera_r256", "r = 256"), ("vera_r256_seed", "from a seed")]),
        ("`RandLoraUpdate` (RandLoRA, 2502.00987), m = min(N, K), n = ⌈m/r⌉", "`B · A'`, `A'[(ρ,b), k] = λ[ρ,b]·A[ρ,k]·γ[b,k]`; A, B frozen", "`n·(r + m)`", "m",
            "full rank with about LoRA's numbers, in a file that PEFT reads", [("randlora_r32", "r = 32"), ("randlora_r32_seed", "from a seed")]),
        ("`FullUpdate` (full fine-tuning)", "`ΔW` itself", "`N·K`", "`min(N, K)`", "the measure of the others", []),
    ];

    /// <summary>Renders it.</summary>
    /// <param name="ours">Our layers.</param>
    public static string Render(ResultFile<LayerRow> ours)
    {
        var text = new StringBuilder("| update | ΔW | trained, a layer | rank at most | forward, step | take it for |\n|---|---|---|---|---|---|\n");
        foreach ((string update, string formula, string trained, string rank, string use, (string Method, string Name)[] measured) in Methods)
        {
            string cost = string.Join("; ", measured.Select(item => Cost(ours, item.Method, item.Name)).OfType<string>());
            text.Append(CultureInfo.InvariantCulture, $"| {update} | {formula} | {trained} | {rank} | {(cost.Length > 0 ? cost : "–")} | {use} |\n");
        }

        return text.Append(CultureInfo.InvariantCulture, $"\nForward and step: ratios to the frozen layer, {LayerShape.Main}, bfloat16, W built again in backward where it is built, measured on {ours.Circumstances}.\n").ToString();
    }

    private static string? Cost(ResultFile<LayerRow> ours, string method, string name) =>
        ours.Rows.FirstOrDefault(row => row.Shape == LayerShape.Main && row.Method == method && row.Policy == "rebuild") is { } row
            ? string.Create(CultureInfo.InvariantCulture, $"{name} {row.Forward:F2}, {row.Step:F2}") : null;
}
