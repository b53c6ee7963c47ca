using System.Collections.Immutable;

namespace TeRA.Kernels.Formats;

/// <summary>One merge: computes each changed tensor when its turn to be written comes, and keeps the books.</summary>
internal sealed class AdapterMerger
{
    private readonly Checkpoint checkpoint;
    private readonly AdapterBinding binding;
    private readonly MergeOptions options;
    private readonly Dictionary<string, Action<Stream>> replaced = new(StringComparer.Ordinal);
    private readonly List<MergedLayer> layers = [];
    private readonly List<string> biases = [];
    private readonly Dictionary<string, (string Before, string After)> hashes = new(StringComparer.Ordinal);

    public AdapterMerger(Checkpoint checkpoint, AdapterBinding binding, MergeOptions options)
    {
        this.checkpoint = checkpoint;
        this.binding = binding;
        this.options = options;
        foreach (AdapterModule module in binding.Modules)
        {
            CheckWeight(module.Name);
            replaced.Add(module.Name + ".weight", stream => WriteWeight(module.Name, stream));
            if (module.BiasName is not null)
            {
                AddBias(module.Name, module.ReadBias);
            }
        }

        foreach (string module in binding.ModulesWithBiasAlone)
        {
            AddBias(module, () => binding.ReadBiasAlone(module));
        }
    }

    public MergeReport Write(string path, string digest, IReadOnlyList<string> merged)
    {
        // The backup holds hashes of what the merge writes, so it is written last; its place and room are taken first.
        using PendingFile? backup = options.Backup is null ? null
            : new PendingFile(options.Backup, options.Overwrite, replaced.Keys.Sum(name => checkpoint.Entry(name).ByteCount));
        using var writer = new CheckpointWriter(checkpoint, path, options);
        writer.Write(backup is null ? replaced : replaced.ToDictionary(pair => pair.Key, pair => Hashed(pair.Key, pair.Value)), merged);
        if (biases.Count == 0 && layers.All(layer => layer.LargestDelta == 0))
        {
            throw new FileFormatException(checkpoint.Path, FileRule.MissingModule, "every ΔW of the adapter is zero: there is nothing to merge. It was saved before its training.");
        }

        backup?.Write(stream => MergeBackup.Write(stream, checkpoint, digest, hashes));
        options.Cancellation.ThrowIfCancellationRequested();
        Publish(backup, writer);
        return new MergeReport(digest, [.. layers], [.. biases]);
    }

    /// <summary>The backup first: a checkpoint that is merged in its place must never be without it.</summary>
    private static void Publish(PendingFile? backup, CheckpointWriter writer)
    {
        backup?.Publish();
        try
        {
            writer.Publish();
        }
        catch
        {
            backup?.Retract();
            throw;
        }
    }

    private Action<Stream> Hashed(string name, Action<Stream> write) => stream =>
        hashes[name] = (MergeBackup.HashOf(checkpoint.FileOf(name), name), MergeBackup.HashWritten(stream, write));

    private void CheckWeight(string module)
    {
        SafetensorsEntry entry = checkpoint.Entry(module + ".weight");
        if (entry.DType.ToTensorDType() is null)
        {
            throw new FileFormatException(checkpoint.FileOf(entry.Name).Path, FileRule.WrongDType, $"{Quote.Text(entry.Name)} must be F32, BF16, F16 or F64 to be merged into, found {entry.DType.Label()}; use the checkpoint before its quantisation.");
        }
    }

    private void WriteWeight(string module, Stream stream)
    {
        string name = module + ".weight";
        DType dtype = checkpoint.Entry(name).DType.ToTensorDType()!.Value;
        // Transposed weights are turned over on the host, which takes longer than the merge itself: they stay there.
        bool turned = binding.IsBaseTransposed;
        Device device = options.Device is { } chosen && chosen.Supports(dtype) && !turned ? chosen : CpuDevice.Shared;
        using Tensor stored = checkpoint.FileOf(name).ToTensor(name, device);
        using Tensor before = turned ? TransposedWeight.Of(stored) : stored;
        using Tensor after = device.Allocate(dtype, before.Shape);
        using (AdaptedLinear layer = binding.CreateLayer(module, device, before, null))
        {
            layer.Merge(after);
            device.Synchronize();
        }

        using Tensor delta = Delta(module, device, before);
        layers.Add(MergeStatistics.Compare(module, before, after, delta));
        using Tensor result = turned ? TransposedWeight.Of(after) : after;
        SafetensorsSource.From(name, result).WriteTo(stream);
    }

    /// <summary>α·ΔW in float32 (float64 beside float64), whatever the weight's dtype, so that the report sees what was rounded away.</summary>
    private Tensor Delta(string module, Device device, Tensor before)
    {
        DType dtype = before.DType == DType.Float64 ? DType.Float64 : DType.Float32;
        Tensor delta = device.Allocate(dtype, before.Shape);
        try
        {
            // The weight's numbers play no part in ΔW, its place does.
            using Tensor? place = before.DType == dtype ? null : device.Allocate(dtype, before.Shape);
            using AdaptedLinear layer = binding.CreateLayer(module, device, place ?? before, null);
            layer.MaterializeDelta(delta);
            device.Synchronize();
            return delta;
        }
        catch
        {
            delta.Dispose();
            throw;
        }
    }

    private void AddBias(string module, Func<float[]> read)
    {
        string name = module + ".bias";
        if (!checkpoint.Contains(name))
        {
            throw new FileFormatException(checkpoint.Path, FileRule.MissingTensor, $"the adapter trains the bias of {Quote.Text(module)}, but the checkpoint has no {Quote.Text(name)} to put it in.");
        }

        SafetensorsEntry entry = checkpoint.Entry(name);
        float[] values = read();
        if (!entry.Shape.AsSpan().SequenceEqual([values.Length]) || entry.DType.ToTensorDType() is not { } dtype)
        {
            throw new FileFormatException(checkpoint.Path, FileRule.ShapeMismatch, $"expected [{values.Length}] numbers for the bias that the adapter replaces, found {entry}.");
        }

        biases.Add(name);
        replaced.Add(name, stream => WriteBias(name, values, dtype, stream));
    }

    private static void WriteBias(string name, float[] values, DType dtype, Stream stream)
    {
        SafetensorsSource source = dtype switch
        {
            DType.Float64 => SafetensorsSource.From(name, Array.ConvertAll(values, value => (double)value), values.Length),
            DType.Float32 => SafetensorsSource.From(name, values, values.Length),
            DType.BFloat16 => SafetensorsSource.From(name, Array.ConvertAll(values, value => (BFloat16)value), values.Length),
            _ => SafetensorsSource.From(name, Array.ConvertAll(values, value => (Half)value), values.Length),
        };
        source.WriteTo(stream);
    }
}
