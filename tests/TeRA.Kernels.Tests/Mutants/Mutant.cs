using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;
using TeRA.Kernels.Verification;

namespace TeRA.Kernels.Tests.Mutants;

/// <summary>A planted mistake.</summary>
/// <param name="Name">What is wrong, in words.</param>
/// <param name="Compile">The mistaken step in place of the right one on the given device; null where the mistake does not apply.</param>
/// <param name="Problem">The problem that must expose it; null for the usual ones.</param>
internal sealed record Mutant(string Name, Func<Step, Device, CompiledStep?> Compile, VerificationCase? Problem = null)
{
    /// <summary>A mistake in a step's description; null where it does not apply.</summary>
    public static Mutant Of<TStep>(string name, Func<TStep, Step?> alter, VerificationCase? problem = null) where TStep : Step =>
        new(name, (step, device) => step is TStep typed && alter(typed) is { } altered && altered != step ? device.Compile(altered) : null, problem);

    /// <summary>A step that is left out.</summary>
    public static Mutant LeftOut<TStep>(string name, Func<TStep, bool> which) where TStep : Step =>
        new(name, (step, _) => step is TStep typed && which(typed) ? new HostStep(static _ => { }) : null);

    /// <summary>A step that is right, with something wrong done before or after it.</summary>
    public static Mutant Around<TStep>(string name, Func<TStep, bool> which, Action<TStep, INaiveMemory, Action> run) where TStep : Step =>
        new(name, (step, device) =>
        {
            if (step is not TStep typed || !which(typed))
            {
                return null;
            }

            CompiledStep right = device.Compile(step);
            return new HostStep(addresses => run(typed, new PointerMemory(addresses), () => right.Run(addresses, default)), right.WorkspaceBytes);
        });

    /// <inheritdoc/>
    public override string ToString() => Name;

    private sealed class HostStep(Action<nint[]> run, long workspaceBytes = 0) : CompiledStep
    {
        public override long WorkspaceBytes => workspaceBytes;

        public override string Description => "mutant";

        public override void Run(ReadOnlySpan<nint> addresses, StreamHandle stream) => run(addresses.ToArray());
    }
}
