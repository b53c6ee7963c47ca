using System.Collections.Immutable;
using System.CommandLine;
using System.Text.Json.Nodes;
using TeRA.Kernels.Cli.Output;
using TeRA.Kernels.Planning;

namespace TeRA.Kernels.Cli.Commands;

/// <summary><c>tera plan</c>: what would run for a layer, without running it.</summary>
internal static class PlanCommand
{
    private static readonly Option<long> OutFeatures = new Option<long>("--out") { Description = "N, output features.", Required = true }.Within(1, int.MaxValue);
    private static readonly Option<long> InFeatures = new Option<long>("--in") { Description = "K, input features.", Required = true }.Within(1, int.MaxValue);
    private static readonly Option<long> Tokens = new Option<long>("--tokens") { Description = "B, rows of X.", Required = true }.AtLeast(0);
    private static readonly Option<string> Method = new("--method") { Description = MethodChoice.Names + ".", DefaultValueFactory = _ => "tera" };
    private static readonly Option<long?> Rank = new Option<long?>("--rank") { Description = "Rank of the update: for tera the least product of the ranks of each side (full rank otherwise), r of the others (16 for lora and lotr, 32 for randlora, 256 for vera otherwise)." }.AtLeast(1);
    private static readonly Option<string> Pairing = new("--pairing") { Description = "paper or peft: which columns of randlora's B meet which rows of A.", DefaultValueFactory = _ => "paper" };
    private static readonly Option<bool> TrainSides = new("--train-sides") { Description = "Train lotr's shared L and R instead of drawing them." };
    private static readonly Option<string?> RowModes = new("--row-modes") { Description = "AxBxC with product N; proposed otherwise." };
    private static readonly Option<string?> RowRanks = new("--row-ranks") { Description = "One for each row mode." };
    private static readonly Option<string?> ColumnModes = new("--col-modes") { Description = "AxBxC with product K; proposed otherwise." };
    private static readonly Option<string?> ColumnRanks = new("--col-ranks") { Description = "One for each column mode." };
    private static readonly Option<string> DTypeName = new("--dtype") { Description = "float32, bfloat16, float16 or float64.", DefaultValueFactory = _ => "bfloat16" };
    private static readonly Option<string> Device = new("--device") { Description = "auto, cpu, cuda, cuda:N, or h100 to plan for one that is not here.", DefaultValueFactory = _ => "auto" };
    private static readonly Option<string> Path = new("--path") { Description = "auto, merged or factored.", DefaultValueFactory = _ => "auto" };
    private static readonly Option<string?> BackwardPath = new("--backward-path") { Description = "Backward's path: auto, merged or factored; the one of --path otherwise." };
    private static readonly Option<bool> Keep = new("--keep") { Description = "Keep the merged weight from forward to backward." };
    private static readonly Option<string> Contractions = new("--contractions") { Description = "keep-narrow, keep or recompute: what becomes of the contractions of X until backward.", DefaultValueFactory = _ => "keep-narrow" };
    private static readonly Option<bool> Bias = new("--bias") { Description = "The layer has a bias." };

    public static Command Create()
    {
        var command = new Command("plan", "What would run for a layer: path, launches, bytes, operations, trained numbers, rank, predicted time.")
        {
            OutFeatures, InFeatures, Tokens, Method, Rank, Pairing, TrainSides, RowModes, RowRanks, ColumnModes, ColumnRanks, DTypeName, Device, Path, BackwardPath, Keep, Contractions, Bias,
        };
        CommandHost.SetAction(command, Run);
        return command;
    }

    private static int Run(ParseResult result, CommandContext context)
    {
        try
        {
            LayerProblem problem = Problem(result);
            LayerPlan plan = PlanFor(result.GetValue(Device)!, problem);
            context.Terminal.Line(plan.Explain());
            if (context.Json)
            {
                JsonOutput.Write(Json(plan));
            }

            return ExitCodes.Success;
        }
        catch (ArgumentException error)
        {
            // Without the name of the parameter: it is no option.
            throw new UsageException(error.Message.Split(" (Parameter '")[0]);
        }
    }

    private static LayerPlan PlanFor(string device, LayerProblem problem)
    {
        if (string.Equals(device, "h100", StringComparison.OrdinalIgnoreCase))
        {
            if (problem.DType == DType.Float64)
            {
                throw new UsageException("--dtype: float64 is computed on the CPU only; use --device cpu.");
            }

            return LayerPlanner.Plan(problem, DeviceTraits.H100);
        }

        using Device found = DeviceChoice.Open(device, out _);
        return new LayerProgram(found, problem).Plan;
    }

    private static LayerProblem Problem(ParseResult result) =>
        new(result.GetValue(Tokens), result.GetValue(OutFeatures), result.GetValue(InFeatures), OptionText.DType(result.GetValue(DTypeName)!))
        {
            Update = Update(result),
            HasBias = result.GetValue(Bias),
            Path = OptionText.Path(result.GetValue(Path)!),
            BackwardPath = result.GetValue(BackwardPath) is { } backward ? OptionText.Path(backward, BackwardPath.Name) : null,
            WeightPolicy = result.GetValue(Keep) ? WeightPolicy.Keep : WeightPolicy.Rebuild,
            Contractions = OptionText.Contractions(result.GetValue(Contractions)!),
        };

    private static WeightUpdate Update(ParseResult result)
    {
        long n = result.GetValue(OutFeatures), k = result.GetValue(InFeatures);
        string method = result.GetValue(Method)!.ToLowerInvariant();
        Refuse(result, method != "tera", "tera", RowModes, RowRanks, ColumnModes, ColumnRanks);
        Refuse(result, method != "randlora", "randlora", Pairing);
        Refuse(result, method != "lotr", "lotr", TrainSides);
        return method == "tera" ? Tera(result, n, k) : MethodChoice.Create(method, n, k, new MethodOptions
        {
            Rank = result.GetValue(Rank),
            Pairing = OptionText.Pairing(result.GetValue(Pairing)!),
            Sides = result.GetValue(TrainSides) ? LotrSides.Trained : LotrSides.Frozen,
        });
    }

    /// <summary>An option that another method has would be ignored without a word.</summary>
    private static void Refuse(ParseResult result, bool otherMethod, string method, params Option[] options)
    {
        if (otherMethod && Array.Find(options, option => result.GetResult(option) is { Implicit: false }) is { } given)
        {
            throw new UsageException($"{given.Name} is for --method {method}, found --method {result.GetValue(Method)}.");
        }
    }

    private static TeraUpdate Tera(ParseResult result, long n, long k)
    {
        ImmutableArray<long> rows = Lengths(result, RowModes) ?? ModeFactorization.Propose(n);
        ImmutableArray<long> columns = Lengths(result, ColumnModes) ?? ModeFactorization.Propose(k);
        CheckProduct(rows, n, RowModes.Name);
        CheckProduct(columns, k, ColumnModes.Name);
        long? rank = result.GetValue(Rank);
        return new TeraUpdate(
            rows, Lengths(result, RowRanks) ?? Ranks(rows, rank), columns, Lengths(result, ColumnRanks) ?? Ranks(columns, rank));
    }

    private static ImmutableArray<long> Ranks(ImmutableArray<long> modes, long? rank) =>
        rank is { } wanted ? ModeFactorization.ProposeRanks(modes, wanted) : modes;

    private static ImmutableArray<long>? Lengths(ParseResult result, Option<string?> option) =>
        result.GetValue(option) is { } text ? OptionText.Lengths(text, option.Name) : null;

    private static void CheckProduct(ImmutableArray<long> modes, long length, string option)
    {
        if (modes.Aggregate(1L, (product, mode) => product * mode) != length)
        {
            throw new UsageException($"{option}: the product of {string.Join('x', modes)} is not {length}.");
        }
    }

    private static JsonObject Json(LayerPlan plan) => new()
    {
        ["path"] = plan.PathName,
        ["reasons"] = JsonOutput.Array(plan.Reasons),
        ["method"] = plan.Problem.Update?.Method,
        ["trained_numbers"] = plan.Problem.Update?.TrainedCount,
        ["rank_bound"] = plan.Problem.Update?.RankBound,
        ["factor_bytes_if_stored"] = plan.Problem.Update?.FactorBytes(plan.Problem.DType),
        ["forward"] = Pass(plan.Forward, plan.ForwardSeconds, plan.ForwardLaunches, plan.ForwardKernels),
        ["backward"] = Pass(plan.Backward, plan.BackwardSeconds, plan.BackwardLaunches, plan.BackwardKernels),
        ["scratch_bytes_shared"] = plan.ScratchBytes,
        ["scratch_bytes_shared_unaligned"] = plan.UnalignedScratchBytes,
        ["kept_bytes_per_context"] = plan.KeptBytes,
        ["predicted_seconds"] = plan.Seconds,
    };

    private static JsonObject Pass(LayerPass pass, double seconds, int? launches, ImmutableArray<string> kernels) => new()
    {
        ["steps"] = new JsonArray([.. pass.Steps.Select((step, i) => new JsonObject
        {
            ["label"] = step.Label,
            ["kernel"] = i < kernels.Length ? kernels[i] : null,
            ["operations"] = step.Operations,
            ["bytes"] = step.Bytes,
        })]),
        ["scratch"] = new JsonArray([.. pass.Buffers.Where(buffer => buffer.Role == BufferRole.Scratch).Select(buffer => new JsonObject
        {
            ["name"] = buffer.Name,
            ["bytes"] = buffer.ByteCount,
            ["in"] = buffer.Host is { } host ? pass.Buffers[host].Name : "scratch",
            ["offset"] = buffer.Offset,
        })]),
        ["launches"] = launches,
        ["operations"] = pass.Operations,
        ["bytes"] = pass.Bytes,
        ["predicted_seconds"] = seconds,
    };
}
