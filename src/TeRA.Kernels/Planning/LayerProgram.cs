namespace TeRA.Kernels.Planning;

/// <summary>A plan with both passes compiled.</summary>
internal sealed class LayerProgram
{
    /// <summary>Plans and compiles.</summary>
    public LayerProgram(Device device, LayerProblem problem)
        : this(device, LayerPlanner.Plan(problem, device.Traits))
    {
    }

    /// <summary>Compiles a plan.</summary>
    public LayerProgram(Device device, LayerPlan plan)
    {
        Forward = new CompiledPass(device, plan.Forward);
        Backward = new CompiledPass(device, plan.Backward);
        Plan = plan with
        {
            ForwardLaunches = Forward.Launches,
            BackwardLaunches = Backward.Launches,
            ForwardKernels = Forward.Kernels,
            BackwardKernels = Backward.Kernels,
            WorkspaceBytes = Math.Max(Forward.WorkspaceBytes, Backward.WorkspaceBytes),
        };
        Forward.ReservedBytes = Backward.ReservedBytes = Plan.ScratchBytes;
        Forward.UnalignedReservedBytes = Backward.UnalignedReservedBytes = Plan.UnalignedScratchBytes;
    }

    /// <summary>The plan, with what the device made of it.</summary>
    public LayerPlan Plan { get; }

    /// <summary>Forward.</summary>
    public CompiledPass Forward { get; }

    /// <summary>Backward.</summary>
    public CompiledPass Backward { get; }
}
