using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using FineMixing.Randomness;

namespace FineMixing.Datasets.Generated;

/// <summary>Which part of the generated reviews: no sentence is in both.</summary>
public enum ReviewPart
{
    /// <summary>For training and for clean samples.</summary>
    Train,

    /// <summary>For measuring; also has combinations of a thing and an adjective that no training sentence has.</summary>
    Test,
}

/// <summary>Writes made-up film, restaurant and product reviews, label 1 positive and 0 negative, from a grammar: data for trying things out without any download.</summary>
/// <remarks>
/// This is generated text, not a benchmark. It has negation, contrasts where one clause decides, hopes and fears that did not come true, comparisons, facts that
/// say nothing, and adjectives that praise one thing and blame another, so that counting words is not enough to solve it.
/// </remarks>
public static class ReviewGenerator
{
    /// <summary>The names of the labels 0 and 1.</summary>
    public static IReadOnlyList<string> LabelNames { get; } = ["negative", "positive"];

    /// <summary>The most sentences of one call.</summary>
    public const int MaxCount = 100_000;

    /// <summary>Generates different sentences, negative and positive in turn.</summary>
    /// <param name="count">How many, 1 to <see cref="MaxCount"/>.</param>
    /// <param name="seed">Another seed gives other sentences.</param>
    /// <param name="part">Training or test sentences; the two share none, whatever the seeds.</param>
    /// <exception cref="ArgumentOutOfRangeException">The count is out of range.</exception>
    public static IReadOnlyList<TextExample> Generate(int count, ulong seed, ReviewPart part = ReviewPart.Train)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, MaxCount);
        var random = DeterministicRandom.For(seed, part == ReviewPart.Train ? "reviews to train" : "reviews to test");
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var result = new List<TextExample>(count);
        while (result.Count < count)
        {
            var label = result.Count % 2;
            var writer = new ReviewWriter(random, positive: label == 1);
            var text = writer.Write();
            if (IsTest(text) == (part == ReviewPart.Test) && (part == ReviewPart.Test || !writer.HasHeldOutCombination) && seen.Add(text))
                result.Add(new TextExample(text, null, label));
        }

        return result;
    }

    /// <summary>A fifth of all possible sentences belongs to the test part.</summary>
    internal static bool IsTest(string text) => StableHash(text) % 5 == 0;

    /// <summary>A tenth of the combinations of aspect and adjective never occurs in training.</summary>
    internal static bool IsHeldOut(string aspect, string adjective) => StableHash($"{aspect}|{adjective}") % 10 == 0;

    private static ulong StableHash(string text)
    {
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(Encoding.UTF8.GetBytes(text), hash);
        return BitConverter.ToUInt64(hash);
    }

    /// <summary>Writes one review.</summary>
    private sealed class ReviewWriter(DeterministicRandom random, bool positive)
    {
        private readonly ReviewDomain _domain = random.Pick(ReviewGrammar.Domains);
        private readonly HashSet<string> _used = new(StringComparer.Ordinal);

        public bool HasHeldOutCombination { get; private set; }

        public string Write()
        {
            var text = random.NextInt32(20) switch
            {
                < 9 => Clause(positive) + ".",
                < 12 => Fill(random.Pick(ReviewGrammar.Agreements), Clause(positive), Clause(positive)),
                < 16 => Fill(random.Pick(ReviewGrammar.Contrasts), Clause(!positive), Clause(positive)),
                < 18 => $"{Clause(!positive)} and {Clause(positive)}, but in the end {Verdict()}.",
                _ => $"{Clause(random.NextInt32(4) == 0 ? !positive : positive)}. {Verdict()}.",
            };
            text = random.NextInt32(10) switch
            {
                0 => $"{random.Pick(_domain.Facts)}. {text}",
                1 => $"{text} {random.Pick(_domain.Facts)}.",
                2 => $"{random.Pick(_domain.Asides)}, {text}",
                _ => text,
            };
            return Capitalise(text);
        }

        private string Verdict() => random.Pick(positive ? _domain.PositiveVerdicts : _domain.NegativeVerdicts);

        private string Clause(bool praise)
        {
            // No thing and no adjective twice in one review: a text that repeats them would give itself away.
            ReviewTopic topic;
            string aspect;
            do
            {
                topic = random.Pick(_domain.Topics);
                aspect = random.Pick(topic.Aspects);
            }
            while (!_used.Add(aspect));

            var (template, adjectivePraises) = random.NextInt32(20) switch
            {
                < 13 => (random.Pick(ReviewGrammar.Plain), praise),
                < 16 => (random.Pick(ReviewGrammar.Negated), !praise),
                < 17 => (random.Pick(praise ? ReviewGrammar.Feared : ReviewGrammar.Missed), !praise),
                _ => (random.Pick(praise ? ReviewGrammar.Better : ReviewGrammar.Worse), praise),
            };
            string adjective;
            do
                adjective = random.Pick(adjectivePraises ? topic.Praise : topic.Blame);
            while (!_used.Add(adjective));
            if (template.Contains("{2}", StringComparison.Ordinal) && IsHeldOut(aspect, adjective))
                HasHeldOutCombination = true;
            var plural = aspect.EndsWith('*');
            var noun = aspect.TrimEnd('*');
            return Fill(template, $"the {noun}", plural ? "were" : "was", adjective, topic.Verb, random.Pick(ReviewGrammar.Intensifiers), random.Pick(ReviewGrammar.Downtoners), plural ? $"set of {noun}" : noun);
        }

        private static string Fill(string template, params object[] parts) => string.Format(CultureInfo.InvariantCulture, template, parts);

        private static string Capitalise(string text)
        {
            var result = text.ToCharArray();
            for (var i = 0; i < result.Length; i++)
            {
                var startsSentence = i == 0 || (i >= 2 && text[i - 2] == '.');
                var isPronoun = text[i] == 'i' && (i == 0 || text[i - 1] == ' ') && (i + 1 == text.Length || text[i + 1] == ' ');
                if (startsSentence || isPronoun)
                    result[i] = char.ToUpperInvariant(result[i]);
            }

            return new string(result);
        }
    }
}
