namespace TeRA.Kernels.Tests.Support;

/// <summary>A device whose layers are planned for another: the plans of a GPU, run on the host.</summary>
internal sealed class PlanningFor(Device inner, DeviceTraits traits) : DeviceDecorator(inner)
{
    internal override DeviceTraits Traits => traits;
}
