using System.Text.RegularExpressions;
using FineMixing.Datasets;
using FineMixing.Randomness;

namespace FineMixing.Tools.EmbeddedModel;

/// <summary>The sentences of data files, without their labels.</summary>
internal static partial class UnlabelledText
{
    /// <summary>Reads, cuts into sentences, drops repetitions and fragments of fewer than three words, and shuffles by the seed.</summary>
    public static IReadOnlyList<string> Read(IEnumerable<string> files, ulong seed)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var example in files.SelectMany(file => DataFile.Read(file)))
        {
            foreach (var text in example.TextPair is { } second ? [example.Text, second] : new[] { example.Text })
                seen.UnionWith(SentenceEnd().Split(LineBreak().Replace(text, " ")).Select(s => s.Trim()).Where(s => s.Count(c => c == ' ') >= 2));
        }

        var sentences = seen.Order(StringComparer.Ordinal).ToArray();
        new DeterministicRandom(seed).Shuffle<string>(sentences);
        return sentences;
    }

    [GeneratedRegex(@"(?<=[.!?])\s+(?=[\p{Lu}""'(])")]
    private static partial Regex SentenceEnd();

    [GeneratedRegex(@"<br\s*/?>")]
    private static partial Regex LineBreak();
}
