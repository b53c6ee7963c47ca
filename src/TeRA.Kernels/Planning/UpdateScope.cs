namespace TeRA.Kernels.Planning;

/// <summary>Where one update of a layer finds its buffers.</summary>
/// <param name="Number">The update's place in the layer, from 0.</param>
/// <param name="FirstParameter">Trained tensors of the updates before it.</param>
/// <param name="FirstStored">Given tensors of the updates before it.</param>
internal readonly record struct UpdateScope(int Number, int FirstParameter, int FirstStored)
{
    /// <summary>What the names of its scratch begin with; nothing for the first.</summary>
    public string Prefix => Number == 0 ? "" : $"{Number + 1}: ";
}
