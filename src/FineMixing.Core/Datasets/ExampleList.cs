using System.Security.Cryptography;
using System.Text;

namespace FineMixing.Datasets;

/// <summary>What the data set types share: checking and hashing of examples.</summary>
internal static class ExampleList
{
    /// <summary>The most classes a data set may have; a larger label is a slip (an id or a rating in the wrong column).</summary>
    public const int MostLabels = 10_000;

    /// <summary>Copies the examples after checking text and labels.</summary>
    /// <exception cref="ArgumentException">No examples, an empty text or a label out of range; names the first few.</exception>
    public static (TextExample[] Examples, int NumLabels) Check(IEnumerable<TextExample> examples, int? numLabels)
    {
        ArgumentNullException.ThrowIfNull(examples);
        if (numLabels is { } given && given is < 2 or > MostLabels)
            throw new ArgumentOutOfRangeException(nameof(numLabels), $"A classifier has 2 to {MostLabels} labels, not {numLabels}.");
        var list = examples.ToArray();
        if (list.Length == 0)
            throw new ArgumentException("There are no examples.", nameof(examples));
        var limit = numLabels ?? MostLabels;
        var problems = new List<string>();
        for (var i = 0; i < list.Length && problems.Count < DataFormatException.MostRows; i++)
        {
            if (list[i] is not { } example)
                problems.Add($"example {i} is null");
            else if (string.IsNullOrWhiteSpace(example.Text) || (example.TextPair is not null && string.IsNullOrWhiteSpace(example.TextPair)))
                problems.Add($"example {i} has an empty text");
            else if (example.Label < 0 || example.Label >= limit)
                problems.Add($"example {i} has label {example.Label}, not 0 to {limit - 1}");
        }

        if (problems.Count > 0)
            throw new ArgumentException($"Bad examples: {string.Join("; ", problems)}.", nameof(examples));
        return (list, numLabels ?? Math.Max(2, list.Max(example => example.Label) + 1));
    }

    /// <summary>SHA-256 over texts and labels, in order, in lower-case hexadecimal.</summary>
    public static string Hash(IEnumerable<TextExample> examples)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var example in examples)
            hash.AppendData(Bytes(example));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Bytes that differ for different examples: lengths and a mark for a missing pair come first.</summary>
    public static byte[] Bytes(TextExample example)
    {
        using var stream = new MemoryStream();
        using (var writer = new BinaryWriter(stream, Encoding.UTF8))
        {
            writer.Write(example.Label);
            writer.Write(example.Text);
            writer.Write(example.TextPair is not null);
            writer.Write(example.TextPair ?? "");
        }

        return stream.ToArray();
    }

    /// <summary>The examples in an order that depends on seed and content only, not on the order they come in.</summary>
    public static IEnumerable<TextExample> SeededOrder(IEnumerable<TextExample> examples, ulong seed, string purpose) => examples
        .Select(example => (Example: example, Key: SeededKey(example, seed, purpose)))
        .OrderBy(item => item.Key)
        .ThenBy(item => item.Example.Text, StringComparer.Ordinal)
        .Select(item => item.Example);

    /// <summary>A pseudo-random number of one example that does not depend on its place among others.</summary>
    public static ulong SeededKey(TextExample example, ulong seed, string purpose)
    {
        Span<byte> digest = stackalloc byte[32];
        SHA256.HashData(Bytes(example), digest);
        return Randomness.DeterministicRandom.Key(seed, purpose, BitConverter.ToUInt64(digest));
    }
}
