using System.Globalization;

namespace TeRA.Kernels.Formats;

/// <summary>The name of a trained vector in a file: <c>base_model.model.MODULE.tera_row.N</c>.</summary>
/// <param name="Module">The module's full name.</param>
/// <param name="Side"><see cref="Row"/> or <see cref="Column"/>.</param>
/// <param name="Mode">The mode, from 0.</param>
internal readonly record struct TeraTensorName(string Module, string Side, int Mode)
{
    public const string Row = "tera_row";
    public const string Column = "tera_col";

    public static string Prefix(string module, string side) => $"{AdapterFolder.ModelPrefix}{module}.{side}.";

    public static bool TryParse(string name, out TeraTensorName parsed)
    {
        parsed = default;
        int last = name.LastIndexOf('.');
        int middle = last < 1 ? -1 : name.LastIndexOf('.', last - 1);
        if (middle < AdapterFolder.ModelPrefix.Length || !name.StartsWith(AdapterFolder.ModelPrefix, StringComparison.Ordinal))
        {
            return false;
        }

        if (!int.TryParse(name.AsSpan(last + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int mode))
        {
            return false;
        }

        parsed = new TeraTensorName(name[AdapterFolder.ModelPrefix.Length..middle], name[(middle + 1)..last], mode);

        // Comparing the whole refuses leading zeros.
        return parsed.Side is Row or Column && parsed.ToString() == name;
    }

    public override string ToString() => Prefix(Module, Side) + Mode.ToString(CultureInfo.InvariantCulture);
}
