namespace TeRA.Kernels.Cli.Output;

/// <summary>Where long work says how far it is.</summary>
internal interface IProgressReport
{
    /// <summary>A new phase of <paramref name="total"/> units.</summary>
    void Begin(string phase, double total);

    /// <summary>So many units are done; the note (a loss, a file's name) stands beside the bar.</summary>
    void Advance(double done, string note);

    /// <summary>The phase is over.</summary>
    void End();
}
