using FineMixing.Datasets;
using FineMixing.Randomness;

namespace FineMixing.Probing;

/// <summary>A place in a clean sample where phrases are put.</summary>
/// <param name="Example">The sample.</param>
/// <param name="InPair">Whether the place is in the second text.</param>
/// <param name="Word">The number of words before it.</param>
internal readonly record struct Insertion(TextExample Example, bool InPair, int Word)
{
    /// <summary>A random place; in a pair, in either text.</summary>
    public static Insertion Random(TextExample example, DeterministicRandom random)
    {
        var inPair = example.TextPair is not null && random.NextInt32(2) == 1;
        return new Insertion(example, inPair, random.NextInt32(Words(inPair ? example.TextPair! : example.Text).Length + 1));
    }

    /// <summary>The place before the first word of the same text.</summary>
    public Insertion AtStart() => this with { Word = 0 };

    /// <summary>The place after the last word of the same text.</summary>
    public Insertion AtEnd() => this with { Word = Words(InPair ? Example.TextPair! : Example.Text).Length };

    /// <summary>The sample with a phrase at the place; its label is kept.</summary>
    public TextExample Put(string phrase)
    {
        var words = Words(InPair ? Example.TextPair! : Example.Text);
        var text = string.Join(' ', [.. words[..Word], phrase, .. words[Word..]]);
        return InPair ? Example with { TextPair = text } : Example with { Text = text };
    }

    private static string[] Words(string text) => text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
}
