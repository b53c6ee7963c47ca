using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace TeRA.Kernels.Tests.Formats;

/// <summary>Breaks files as disks, networks and ill-wishers do: bits, bytes, lengths, cuts, and the structure of the JSON.</summary>
internal static partial class Mutator
{
    private static readonly string[] Tokens =
    [
        "{", "}", "[", "]", ",", ":", "\"", "null", "true", "0", "-1", "1e9", "1.0", "9223372036854775807", "9223372036854775808", "18446744073709551616",
        "\"dtype\"", "\"shape\"", "\"data_offsets\"", "\"__metadata__\"", "\"\\ud800\"", "\"F4\"", "\"F32\"", "\"I64\"", "{}", "[]", "[0,0]", "\"a\":{},",
    ];

    private static readonly string[] Structural = ["{", "}", "[", "]", ",", ":"];

    /// <summary>A safetensors file with 1 to 4 changes; half of the time the header's length follows the change.</summary>
    public static byte[] File(byte[] seed, Random random)
    {
        int headerLength = (int)BinaryPrimitives.ReadInt64LittleEndian(seed);
        var header = new List<byte>(seed.AsSpan(8, headerLength).ToArray());
        var data = new List<byte>(seed.AsSpan(8 + headerLength).ToArray());
        for (int changes = random.Next(1, 5); changes > 0; changes--)
        {
            if (random.Next(6) == 0)
            {
                Bytes(data, random);
            }
            else
            {
                Text(header, random);
            }
        }

        byte[] length = BitConverter.GetBytes(random.Next(2) == 0 ? headerLength : (long)header.Count);
        if (random.Next(20) == 0)
        {
            length[random.Next(8)] ^= (byte)(1 << random.Next(8));
        }

        byte[] file = [.. length, .. header, .. data];
        return random.Next(20) == 0 ? file[..random.Next(file.Length + 1)] : file;
    }

    /// <summary>A JSON text with 1 to 4 changes.</summary>
    public static byte[] Json(byte[] seed, Random random)
    {
        var text = new List<byte>(seed);
        for (int changes = random.Next(1, 5); changes > 0; changes--)
        {
            Text(text, random);
        }

        return [.. text];
    }

    private static void Text(List<byte> text, Random random)
    {
        switch (random.Next(7))
        {
            case 6:
                ShiftOffsets(text, random);
                break;
            case 0:
                Insert(text, random.Next(text.Count + 1), Pick(Tokens, random));
                break;
            case 1:
                ReplaceNumber(text, random);
                break;
            case 2:
                DuplicatePiece(text, random);
                break;
            case 3:
                ReplaceStructure(text, random);
                break;
            default:
                Bytes(text, random);
                break;
        }
    }

    private static void Bytes(List<byte> bytes, Random random)
    {
        if (bytes.Count == 0)
        {
            bytes.Add((byte)random.Next(256));
            return;
        }

        int at = random.Next(bytes.Count);
        switch (random.Next(4))
        {
            case 0:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                bytes.Insert(at, (byte)random.Next(256));
                break;
            case 2:
                bytes.RemoveRange(at, Math.Min(random.Next(1, 9), bytes.Count - at));
                break;
            default:
                bytes[at] = (byte)random.Next(256);
                break;
        }
    }

    /// <summary>Another number in a number's place, near or far.</summary>
    private static void ReplaceNumber(List<byte> text, Random random)
    {
        int start = Find(text, random, b => char.IsAsciiDigit((char)b));
        if (start < 0)
        {
            return;
        }

        int end = start;
        while (end < text.Count && char.IsAsciiDigit((char)text[end]))
        {
            end++;
        }

        text.RemoveRange(start, end - start);
        Insert(text, start, random.Next(3) == 0 ? random.NextInt64().ToString(CultureInfo.InvariantCulture) : random.Next(20).ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>A tensor moved without a change of its size: holes and overlaps.</summary>
    private static void ShiftOffsets(List<byte> text, Random random)
    {
        string json = Encoding.Latin1.GetString([.. text]);
        MatchCollection pairs = Offsets().Matches(json);
        if (pairs.Count == 0)
        {
            return;
        }

        Match pair = pairs[random.Next(pairs.Count)];
        int shift = random.Next(-8, 9);
        string moved = string.Create(CultureInfo.InvariantCulture, $"[{int.Parse(pair.Groups[1].Value, CultureInfo.InvariantCulture) + shift},{int.Parse(pair.Groups[2].Value, CultureInfo.InvariantCulture) + shift}]");
        text.RemoveRange(pair.Index, pair.Length);
        Insert(text, pair.Index, moved);
    }

    [GeneratedRegex(@"\[(\d{1,6}),(\d{1,6})\]")]
    private static partial Regex Offsets();

    /// <summary>A piece from one comma to the next once more: duplicate keys and elements.</summary>
    private static void DuplicatePiece(List<byte> text, Random random)
    {
        int start = Find(text, random, b => b == ',');
        int end = start < 0 ? -1 : text.IndexOf((byte)',', start + 1);
        if (end > 0)
        {
            text.InsertRange(start, text.GetRange(start, end - start));
        }
    }

    private static void ReplaceStructure(List<byte> text, Random random)
    {
        int at = Find(text, random, b => "{}[],:".Contains((char)b, StringComparison.Ordinal));
        if (at >= 0)
        {
            text.RemoveAt(at);
            Insert(text, at, Pick(Structural, random));
        }
    }

    private static int Find(List<byte> text, Random random, Predicate<byte> match)
    {
        if (text.Count == 0)
        {
            return -1;
        }

        int found = text.FindIndex(random.Next(text.Count), match);
        return found >= 0 ? found : text.FindIndex(match);
    }

    private static void Insert(List<byte> text, int at, string token) => text.InsertRange(at, Encoding.UTF8.GetBytes(token));

    private static string Pick(string[] tokens, Random random) => tokens[random.Next(tokens.Length)];
}
