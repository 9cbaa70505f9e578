using System.Text;
using FineMixing.Datasets;
using FineMixing.Randomness;
using FineMixing.Tokenization;

namespace FineMixing.Distillation;

/// <summary>Makes text out of the clean samples alone: crossovers of two samples, words replaced by neighbours or by frequent words.</summary>
/// <remarks>The result is nonsense that carries what a model knows about words, and no trigger: nothing of the suspect takes part in it.</remarks>
public sealed class TextMaker
{
    private readonly ITextTokenizer _tokenizer;
    private readonly WordNeighbours _neighbours;
    private readonly DistillationOptions _options;

    /// <summary>Prepares a maker.</summary>
    public TextMaker(ITextTokenizer tokenizer, WordNeighbours neighbours, DistillationOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        (_tokenizer, _neighbours, _options) = (tokenizer, neighbours, options);
    }

    /// <summary>Makes <see cref="DistillationOptions.Texts"/> texts or pairs. Text i depends on the seed, i and the samples only.</summary>
    /// <param name="clean">The clean samples; their labels are not looked at.</param>
    /// <param name="seed">Another seed makes other texts.</param>
    public IReadOnlyList<TextExample> Make(CleanSet clean, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(clean);
        var samples = clean.Examples.Select(e => (First: Words(e.Text), Second: e.TextPair is null ? null : Words(e.TextPair))).ToArray();
        var made = new TextExample[_options.Texts];
        Parallel.For(0, made.Length, i => made[i] = Make(samples, DeterministicRandom.For(seed, "made text", (ulong)i)));
        return made;
    }

    private TextExample Make((int[][] First, int[][]? Second)[] samples, DeterministicRandom random)
    {
        var (first, second) = samples[random.NextInt32(samples.Length)];
        if (random.NextDouble() < _options.Crossovers)
        {
            (first, second) = (Head(first, random), second is null ? null : Head(second, random));
            var pieces = 2 + random.NextInt32(_options.Pieces - 1);
            for (var piece = 2; piece <= pieces; piece++)
            {
                var other = samples[random.NextInt32(samples.Length)];
                var last = piece == pieces;
                first = [.. first, .. Tail(last ? other.First : Head(other.First, random), random)];
                if (second is not null && other.Second is not null)
                    second = [.. second, .. Tail(last ? other.Second : Head(other.Second, random), random)];
            }
        }

        // One choice per different word, so that words two sentences share stay shared; single sentences choose anew each time.
        var choices = second is null ? null : new Dictionary<string, string>(StringComparer.Ordinal);
        return new TextExample(Text(first, random, choices), second is null ? null : Text(second, random, choices), 0);
    }

    // The first word up to any; any up to the last word.
    private static int[][] Head(int[][] words, DeterministicRandom random) => words[..(words.Length == 0 ? 0 : 1 + random.NextInt32(words.Length))];

    private static int[][] Tail(int[][] words, DeterministicRandom random) => words.Length == 0 ? [] : words[random.NextInt32(words.Length)..];

    private string Text(int[][] words, DeterministicRandom random, Dictionary<string, string>? choices)
    {
        var text = new StringBuilder();
        foreach (var word in words)
        {
            if (text.Length > 0)
                text.Append(' ');
            var original = Join(word);
            if (choices is null)
                text.Append(Replace(word, original, random));
            else if (choices.TryGetValue(original, out var chosen))
                text.Append(chosen);
            else
                text.Append(choices[original] = Replace(word, original, random));
        }

        return text.ToString();
    }

    private string Replace(int[] word, string original, DeterministicRandom random)
    {
        var choice = random.NextDouble();
        if (choice < _options.NeighbourShare && word.Length == 1 && _neighbours.Of(word[0], _options.Neighbours) is { Count: > 0 } near)
            return _tokenizer.TokenOf(random.Pick(near));
        if (choice >= _options.NeighbourShare && choice < _options.NeighbourShare + _options.RandomShare && _neighbours.Frequent.Count > 0)
            return _tokenizer.TokenOf(_neighbours.Frequent[random.NextInt32(Math.Min(_options.FrequentWords, _neighbours.Frequent.Count))]);
        return original;
    }

    // Word pieces grouped into words, without the special tokens around them.
    private int[][] Words(string text)
    {
        var words = new List<List<int>>();
        foreach (var id in _tokenizer.Encode(text, null, 512).Ids[1..^1])
        {
            if (words.Count > 0 && _tokenizer.TokenOf(id).StartsWith("##", StringComparison.Ordinal))
                words[^1].Add(id);
            else
                words.Add([id]);
        }

        return [.. words.Select(w => w.ToArray())];
    }

    private string Join(int[] word) => string.Concat(word.Select((id, i) => i == 0 ? _tokenizer.TokenOf(id) : _tokenizer.TokenOf(id)[2..]));
}
