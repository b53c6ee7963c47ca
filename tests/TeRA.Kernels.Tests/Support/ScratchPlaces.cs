using TeRA.Kernels.Planning;

namespace TeRA.Kernels.Tests.Support;

/// <summary>Judges where a pass's scratch lies, and places it without any sharing, to compare with.</summary>
internal static class ScratchPlaces
{
    private const long Alignment = 256;

    /// <summary>Everything that is wrong with the places, of the pass for unaligned outputs too; empty when nothing is.</summary>
    public static string[] Problems(LayerPass pass)
    {
        string[] own = [.. OwnProblems(pass, anyOutput: pass.Unaligned is null)];
        return pass.Unaligned is { } other ? [.. own, .. OwnProblems(other, anyOutput: true)] : own;
    }

    /// <summary>The same steps with every scratch buffer in memory of its own.</summary>
    public static LayerPass Apart(LayerPass pass)
    {
        long bytes = 0;
        var buffers = new List<PlanBuffer>();
        foreach (PlanBuffer buffer in pass.Buffers)
        {
            bool isScratch = buffer.Role == BufferRole.Scratch;
            buffers.Add(isScratch ? buffer with { Offset = bytes, Host = null } : buffer);
            bytes += isScratch ? (buffer.ByteCount + Alignment - 1) / Alignment * Alignment : 0;
        }

        return new LayerPass(pass.Steps, [.. buffers], bytes);
    }

    private static IEnumerable<string> OwnProblems(LayerPass pass, bool anyOutput)
    {
        int[][] touched = [.. pass.Steps.Select(step => StepSlots.Of(step).ToArray())];
        PlanBuffer[] scratch = [.. pass.Buffers.Where(buffer => buffer.Role == BufferRole.Scratch)];
        foreach (PlanBuffer buffer in scratch)
        {
            if (Place(pass, touched, buffer, anyOutput) is { } problem)
            {
                yield return $"{buffer.Name}: {problem}";
            }

            foreach (PlanBuffer other in scratch.Where(other => other.Slot < buffer.Slot && other.Host == buffer.Host && AliveTogether(touched, other, buffer)))
            {
                if (buffer.Offset < other.Offset + other.ByteCount && other.Offset < buffer.Offset + buffer.ByteCount)
                {
                    yield return $"{buffer.Name} overlaps {other.Name}";
                }
            }
        }
    }

    private static string? Place(LayerPass pass, int[][] touched, PlanBuffer buffer, bool anyOutput)
    {
        if (buffer.Offset % Alignment != 0)
        {
            return "not aligned";
        }

        if (buffer.Host is not { } slot)
        {
            return buffer.Offset + buffer.ByteCount <= pass.ScratchBytes ? null : "outside the scratch";
        }

        PlanBuffer host = pass.Buffers[slot];
        int first = First(touched, slot);
        long lost = anyOutput ? Alignment - host.DType.Size() : 0;
        return host.Role is not (BufferRole.Output or BufferRole.InputGradient) ? $"in {host.Name}, which is no output"
            : Last(touched, buffer.Slot) >= first ? $"alive when {host.Name} is written"
            : touched[first].Count(other => other == slot) != 1 ? $"in {host.Name}, which is added to"
            : buffer.Offset + buffer.ByteCount <= host.ByteCount - lost ? null : $"outside {host.Name}";
    }

    private static bool AliveTogether(int[][] touched, PlanBuffer a, PlanBuffer b) =>
        First(touched, a.Slot) <= Last(touched, b.Slot) && First(touched, b.Slot) <= Last(touched, a.Slot);

    private static int First(int[][] touched, int slot) => Array.FindIndex(touched, slots => slots.Contains(slot));

    private static int Last(int[][] touched, int slot) => Array.FindLastIndex(touched, slots => slots.Contains(slot));
}
