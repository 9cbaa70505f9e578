using System.Collections.Concurrent;
using System.Numerics.Tensors;
using FineMixing.Checkpoints;
using FineMixing.Purification;
using FineMixing.Tokenization;

namespace FineMixing.Distillation;

/// <summary>Which whole words lie close to each other among the input embeddings of the pre-trained model, by cosine after centring.</summary>
/// <remarks>The pre-trained model is the trusted one: the suspect's embeddings, where a trigger may hide, are not looked at.</remarks>
public sealed class WordNeighbours
{
    private readonly int[] _words;
    private readonly float[] _units;
    private readonly int _width;
    private readonly Dictionary<int, int> _rowOf;
    private readonly ConcurrentDictionary<int, int[]> _cache = new();

    /// <summary>Prepares the words of a vocabulary: entries of letters only that are not continuations or special.</summary>
    /// <param name="base">The pre-trained model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="frequencies">How often words occur; decides <see cref="Frequent"/>.</param>
    public WordNeighbours(StateDict @base, ITextTokenizer tokenizer, TokenFrequencies frequencies)
    {
        ArgumentNullException.ThrowIfNull(@base);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(frequencies);
        var matrix = @base[EmbeddingPurifier.FindWordEmbeddings(@base).Name];
        _width = (int)matrix.Info.Shape[1];
        var values = matrix.ToFloat32();
        _words = [.. Enumerable.Range(0, tokenizer.VocabularySize).Where(id => !tokenizer.SpecialIds.Contains(id) && IsWord(tokenizer.TokenOf(id)))];
        _rowOf = _words.Select((id, row) => (id, row)).ToDictionary(p => p.id, p => p.row);
        _units = Centred(values);
        Frequent = [.. _words.OrderByDescending(id => frequencies[tokenizer.TokenOf(id)]).ThenBy(id => id)];
    }

    /// <summary>All words, the most frequent first.</summary>
    public IReadOnlyList<int> Frequent { get; }

    /// <summary>The nearest words of a word, the nearest first; empty when the id is not a whole word.</summary>
    /// <param name="id">A token id.</param>
    /// <param name="count">How many.</param>
    public IReadOnlyList<int> Of(int id, int count)
    {
        if (!_rowOf.TryGetValue(id, out var row))
            return [];
        var found = _cache.GetOrAdd(id, _ => Nearest(row, count));
        return found.Length >= count ? found[..count] : found.Length == _words.Length - 1 ? found : _cache[id] = Nearest(row, count);
    }

    private static bool IsWord(string token) => token.Length > 1 && !token.StartsWith("##", StringComparison.Ordinal) && token.All(char.IsLetter);

    private float[] Centred(float[] values)
    {
        var mean = new float[_width];
        foreach (var id in _words)
            TensorPrimitives.Add(mean, values.AsSpan(id * _width, _width), mean);
        TensorPrimitives.Divide(mean, Math.Max(1, _words.Length), mean);
        var units = new float[_words.Length * _width];
        for (var row = 0; row < _words.Length; row++)
        {
            var unit = units.AsSpan(row * _width, _width);
            TensorPrimitives.Subtract(values.AsSpan(_words[row] * _width, _width), mean, unit);
            var norm = TensorPrimitives.Norm(unit);
            if (norm > 0)
                TensorPrimitives.Divide(unit, norm, unit);
        }

        return units;
    }

    private int[] Nearest(int row, int count)
    {
        var own = _units.AsSpan(row * _width, _width);
        var best = new PriorityQueue<int, (float, int)>(count + 1);
        for (var other = 0; other < _words.Length; other++)
        {
            if (other == row)
                continue;
            var priority = (TensorPrimitives.Dot<float>(own, _units.AsSpan(other * _width, _width)), -other);
            if (best.Count < count)
                best.Enqueue(other, priority);
            else if (priority.CompareTo(Lowest(best)) > 0)
                best.EnqueueDequeue(other, priority);
        }

        var result = new int[best.Count];
        for (var i = result.Length - 1; i >= 0; i--)
            result[i] = _words[best.Dequeue()];
        return result;
    }

    private static (float, int) Lowest(PriorityQueue<int, (float, int)> queue)
    {
        queue.TryPeek(out _, out var priority);
        return priority;
    }
}
