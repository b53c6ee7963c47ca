namespace TeRA.Kernels.Steps;

/// <summary>A frozen-random matrix R×S that is regenerated where it is used: element (r, s) is number r·S + s of its stream.</summary>
/// <param name="Source">Seed and distribution.</param>
/// <param name="Stream">The factor's stream.</param>
/// <param name="R">Rows.</param>
/// <param name="S">Columns.</param>
internal sealed record CoreSource(RandomSource Source, uint Stream, long R, long S);
