namespace TeRA.Kernels.Formats;

/// <summary>How PEFT names tensors: <c>base_model.model.MODULE.PARAMETER</c>, and <c>base_model.PARAMETER</c> for what all modules share.</summary>
internal static class PeftName
{
    public const string SharedPrefix = "base_model.";

    public static string Of(string module, string parameter) => $"{AdapterFolder.ModelPrefix}{module}.{parameter}";

    public static string Shared(string parameter) => SharedPrefix + parameter;

    /// <summary>The module of a tensor whose parameter is known.</summary>
    public static bool TryParse(string name, string parameter, out string module)
    {
        int length = name.Length - AdapterFolder.ModelPrefix.Length - parameter.Length - 1;
        module = length > 0 ? name.Substring(AdapterFolder.ModelPrefix.Length, length) : string.Empty;
        return length > 0 && Of(module, parameter) == name;
    }
}
