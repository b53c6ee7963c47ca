namespace TeRA.Kernels;

/// <summary>Checks of tensors at the public entries: each error says what was expected, what was found and what to do.</summary>
internal static class Arguments
{
    /// <summary>The tensor lives on the device and has the dtype.</summary>
    public static void CheckPlace(Tensor tensor, string name, Device device, DType dtype)
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        if (!ReferenceEquals(tensor.Device, device))
        {
            throw new ArgumentException($"Expected a tensor on {device.Id} (this very device object), found {tensor}. Allocate or copy it there.", name);
        }

        if (tensor.DType != dtype)
        {
            throw new ArgumentException($"Expected {dtype.Label()}, found {tensor}. Convert it first.", name);
        }

        if (tensor.ElementCount > 0)
        {
            _ = tensor.Address;
        }
    }

    /// <summary>The shape is exactly this matrix.</summary>
    public static void CheckMatrix(Tensor tensor, string name, long rows, long columns)
    {
        if (tensor.Shape.Length != 2 || tensor.Shape[0] != rows || tensor.Shape[1] != columns)
        {
            throw new ArgumentException($"Expected shape [{rows}, {columns}], found {tensor}.", name);
        }
    }

    /// <summary>The last dimension is <paramref name="features"/>; returns the number of rows before it.</summary>
    public static long CheckRows(Tensor tensor, string name, long features)
    {
        if (tensor.Shape.Length == 0 || tensor.Shape[^1] != features)
        {
            throw new ArgumentException($"Expected [tokens, {features}] (leading dimensions are flattened), found {tensor}.", name);
        }

        return tensor.ElementCount / features;
    }

    /// <summary>As <see cref="CheckRows(Tensor, string, long)"/>, with the number of rows known.</summary>
    public static void CheckRows(Tensor tensor, string name, long tokens, long features)
    {
        long found = CheckRows(tensor, name, features);
        if (found != tokens)
        {
            throw new ArgumentException($"Expected [{tokens}, {features}], as many tokens as x has, found {tensor}.", name);
        }
    }

    /// <summary>The output shares no byte with the other tensor.</summary>
    public static void CheckDistinct(Tensor output, string name, Tensor? other, string otherName)
    {
        if (other is null || output.ByteCount == 0 || other.ByteCount == 0)
        {
            return;
        }

        if (output.Address < other.Address + (nint)other.ByteCount && other.Address < output.Address + (nint)output.ByteCount)
        {
            throw new ArgumentException($"{name} overlaps {otherName} in memory, and would be written while {otherName} is read. Give it memory of its own.", name);
        }
    }
}
