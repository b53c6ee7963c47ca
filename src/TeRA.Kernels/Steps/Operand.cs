namespace TeRA.Kernels.Steps;

/// <summary>One operand of a step: which entry of the address table it is bound to at run time, and its element type. Always contiguous and row-major.</summary>
/// <param name="Slot">Index into the table of addresses.</param>
/// <param name="DType">Element type.</param>
internal readonly record struct Operand(int Slot, DType DType);
