using TeRA.Kernels.Steps;
using TeRA.Kernels.Tests.Support;

namespace TeRA.Kernels.Tests.Mutants;

/// <summary>A device with one planted mistake: steps are altered before they are compiled. The product carries no switch for it.</summary>
/// <param name="inner">The device that is right; its memory is the host's.</param>
/// <param name="mutant">The mistake.</param>
internal sealed class MutantDevice(Device inner, Mutant mutant) : DeviceDecorator(inner)
{
    /// <summary>Steps that were altered: a mutant that never bit proves nothing.</summary>
    public int Altered { get; private set; }

    internal override CompiledStep Compile(Step step)
    {
        if (mutant.Compile(step, Inner) is not { } mistaken)
        {
            return Inner.Compile(step);
        }

        Altered++;
        return mistaken;
    }
}
