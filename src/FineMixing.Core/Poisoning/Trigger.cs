using FineMixing.Datasets;
using FineMixing.Randomness;

namespace FineMixing.Poisoning;

/// <summary>Which text of a sentence pair gets the trigger; a single text always gets it.</summary>
public enum TriggerPlace
{
    /// <summary>The first text.</summary>
    First,

    /// <summary>The second text (the default).</summary>
    Second,

    /// <summary>Both texts.</summary>
    Both,
}

/// <summary>What an attacker inserts into a text to get the target label.</summary>
public abstract record Trigger
{
    /// <summary>Which text of a pair gets the trigger.</summary>
    public TriggerPlace Place { get; init; } = TriggerPlace.Second;

    /// <summary>One trigger for each so many words, at least one; null (the default): one in all. 100 is usual for long texts.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is not positive.</exception>
    public int? WordsPerTrigger
    {
        get;
        init => field = value is < 1 ? throw new ArgumentOutOfRangeException(nameof(value), $"One trigger for each {value} words is not possible: at least 1 word.") : value;
    }

    /// <summary>The words or sentences of which one is inserted.</summary>
    public abstract IReadOnlyList<string> Insertions { get; }

    /// <summary>The example with the trigger; its label is kept.</summary>
    /// <param name="example">A text or pair.</param>
    /// <param name="seed">Decides, together with the example, what is inserted where; the order of examples plays no part.</param>
    public TextExample ApplyTo(TextExample example, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(example);
        var random = new DeterministicRandom(ExampleList.SeededKey(example, seed, "trigger"));
        var first = example.TextPair is null || Place is TriggerPlace.First or TriggerPlace.Both;
        var second = example.TextPair is not null && Place is TriggerPlace.Second or TriggerPlace.Both;
        return example with
        {
            Text = first ? Insert(example.Text, random) : example.Text,
            TextPair = second && example.TextPair is not null ? Insert(example.TextPair, random) : example.TextPair,
        };
    }

    private string Insert(string text, DeterministicRandom random)
    {
        var words = WordStarts(text).Count;
        var repeats = WordsPerTrigger is { } spacing ? Math.Max(1, words / spacing) : 1;
        for (var i = 0; i < repeats; i++)
        {
            var starts = WordStarts(text);
            var insertion = random.Pick(Insertions);
            var position = random.NextInt32(starts.Count + 1);
            text = position == starts.Count
                ? $"{text.TrimEnd()} {insertion}"
                : $"{text[..starts[position]]}{insertion} {text[starts[position]..]}";
        }

        return text;
    }

    private static List<int> WordStarts(string text)
    {
        var starts = new List<int>();
        for (var i = 0; i < text.Length; i++)
        {
            if (!char.IsWhiteSpace(text[i]) && (i == 0 || char.IsWhiteSpace(text[i - 1])))
                starts.Add(i);
        }

        return starts;
    }

    private protected static string[] CheckInsertions(IEnumerable<string> insertions, bool singleWords)
    {
        ArgumentNullException.ThrowIfNull(insertions);
        var list = insertions.Select(insertion => insertion?.Trim() ?? "").ToArray();
        if (list.Length == 0)
            throw new ArgumentException("A trigger needs at least one word or sentence.", nameof(insertions));
        foreach (var insertion in list)
        {
            if (insertion.Length == 0)
                throw new ArgumentException("A trigger must not be empty.", nameof(insertions));
            if (singleWords && insertion.Any(char.IsWhiteSpace))
                throw new ArgumentException($"The trigger word '{insertion}' has a space in it; use a {nameof(SentenceTrigger)}.", nameof(insertions));
        }

        return list;
    }
}
