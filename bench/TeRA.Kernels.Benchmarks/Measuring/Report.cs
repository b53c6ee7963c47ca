using System.Globalization;
using System.Text;
using System.Text.Json;

namespace TeRA.Kernels.Benchmarks.Measuring;

/// <summary>A table for people and the same rows as JSON.</summary>
/// <param name="device">Named in both.</param>
/// <param name="columns">Names of the columns.</param>
internal sealed class Report(CudaDevice device, params string[] columns)
{
    private readonly List<(string Name, double[] Values)> rows = [];

    /// <summary>Adds and prints a row.</summary>
    public void Add(string name, params double[] values)
    {
        if (rows.Count == 0)
        {
            Console.WriteLine($"{device.Name}, medians\n{"",-52}{string.Concat(columns.Select(column => $"{column,12}"))}");
        }

        rows.Add((name, values));
        Console.WriteLine($"{name,-52}{string.Concat(values.Select(value => value.ToString(value < 10 ? "F3" : "F1", CultureInfo.InvariantCulture).PadLeft(12)))}");
    }

    /// <summary>Writes all rows.</summary>
    public void WriteJson(string path)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            writer.WriteStartObject();
            writer.WriteString("device", device.Name);
            writer.WriteString("date", DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));
            writer.WriteStartArray("rows");
            foreach ((string name, double[] values) in rows)
            {
                writer.WriteStartObject();
                writer.WriteString("name", name);
                for (int i = 0; i < columns.Length; i++)
                {
                    writer.WriteNumber(columns[i], values[i]);
                }

                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        File.WriteAllText(path, Encoding.UTF8.GetString(buffer.ToArray()) + "\n");
    }
}
