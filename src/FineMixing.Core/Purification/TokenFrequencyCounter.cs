using FineMixing.Tokenization;

namespace FineMixing.Purification;

/// <summary>Counts how often each token occurs in texts; special tokens are not counted.</summary>
public sealed class TokenFrequencyCounter
{
    private readonly ITextTokenizer _tokenizer;
    private readonly double[] _counts;

    /// <summary>Starts with every count at 0.</summary>
    /// <param name="tokenizer">Cuts the texts.</param>
    public TokenFrequencyCounter(ITextTokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        _tokenizer = tokenizer;
        _counts = new double[tokenizer.VocabularySize];
    }

    /// <summary>Counts the tokens of texts, on all processors; the result does not depend on their number.</summary>
    /// <param name="texts">Read once.</param>
    /// <param name="weight">How often each text counts; positive.</param>
    public void Add(IEnumerable<string> texts, double weight = 1)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(weight);
        var total = new long[_counts.Length];
        Parallel.ForEach(
            texts,
            () => new long[total.Length],
            (text, _, local) =>
            {
                foreach (var id in _tokenizer.Encode(text, null, int.MaxValue).Ids)
                    local[id]++;
                return local;
            },
            local =>
            {
                lock (total)
                {
                    for (var i = 0; i < total.Length; i++)
                        total[i] += local[i];
                }
            });
        for (var i = 0; i < total.Length; i++)
            _counts[i] += total[i] * weight;
    }

    /// <summary>Adds to the count of one token.</summary>
    /// <param name="id">The token.</param>
    /// <param name="weight">How much; not negative.</param>
    public void Add(int id, double weight)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(weight);
        _counts[id] += weight;
    }

    /// <summary>The counts of the tokens that occurred, multiplied and rounded.</summary>
    /// <param name="scale">The factor; positive.</param>
    public IReadOnlyDictionary<string, long> ToCounts(double scale = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(scale);
        var result = new Dictionary<string, long>(StringComparer.Ordinal);
        for (var id = 0; id < _counts.Length; id++)
        {
            var count = (long)Math.Round(_counts[id] * scale);
            if (count > 0 && !_tokenizer.SpecialIds.Contains(id))
                result[_tokenizer.TokenOf(id)] = count;
        }

        return result;
    }
}
