using System.Globalization;
using FineMixing.Checkpoints;
using FineMixing.Mixing;
using FineMixing.Tokenization;

namespace FineMixing.Purification;

/// <summary>E-PUR: resets the embedding rows that drifted far for how rare their token is.</summary>
/// <remarks>
/// score_i = ||E_B[i] - E_Pre[i]||_2 / ln(max(f_i, 20)); the K highest rows (200) are taken from the base. Zhang et al., Fine-mixing, Findings of EMNLP 2022,
/// doi:10.18653/v1/2022.findings-emnlp.26, section on embedding purification. Equal scores: the lower id first. Special and unused tokens are left out.
/// </remarks>
public sealed class EmbeddingPurifier : IEmbeddingPurifier
{
    /// <summary>The count that rarer and unknown tokens are treated as having.</summary>
    public const long FrequencyFloor = 20;

    private const int BlockBytes = 1 << 20;

    private static readonly string[] WordEmbeddingNames =
        ["word_embeddings.weight", "embed_tokens.weight", "wte.weight", "tok_embeddings.weight", "word_embedding.weight", "embed_in.weight", "shared.weight"];

    private readonly TokenFrequencies _frequencies;
    private readonly PurificationOptions _options;

    /// <summary>Takes the clean corpus's counts.</summary>
    /// <param name="frequencies">Counts by token; an empty table ranks by drift alone.</param>
    /// <param name="options">K and the rest; the paper's when null.</param>
    /// <exception cref="ArgumentException">Bad options.</exception>
    public EmbeddingPurifier(TokenFrequencies frequencies, PurificationOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(frequencies);
        _frequencies = frequencies;
        _options = options ?? new PurificationOptions();
        _options.Validate();
    }

    /// <summary>The name of a model's word-embedding matrix.</summary>
    /// <exception cref="ArgumentException">There is none, or more than one.</exception>
    public static TensorInfo FindWordEmbeddings(ICheckpoint model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var found = model.Tensors.Where(t => t.Shape.Length == 2 && WordEmbeddingNames.Any(n => t.Name == n || t.Name.EndsWith("." + n, StringComparison.Ordinal))).ToList();
        return found.Count == 1
            ? found[0]
            : throw new ArgumentException($"{model.Location} has {(found.Count == 0 ? "no word-embedding matrix" : "more than one word-embedding matrix (" + string.Join(", ", found.Select(t => t.Name)) + ")")}; expected one [vocabulary, hidden] tensor whose name ends in {string.Join(", ", WordEmbeddingNames)}.", nameof(model));
    }

    /// <inheritdoc/>
    public IReadOnlyList<SuspiciousToken> Rank(ICheckpoint suspect, ICheckpoint @base, ITextTokenizer tokenizer, int? top = null, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return Rank(suspect, @base, tokenizer.VocabularySize, tokenizer.TokenOf, _options.ExcludedIds ?? tokenizer.SpecialIds, top, ct);
    }

    /// <summary>Ranks the tokens of a vocabulary given as a list.</summary>
    /// <param name="suspect">The fine-tuned model.</param>
    /// <param name="base">The pre-trained model.</param>
    /// <param name="tokens">The token of each id.</param>
    /// <param name="excludedIds">Ids left out of the ranking.</param>
    /// <param name="top">How many are returned; all when null.</param>
    /// <param name="ct">Cancels the scan.</param>
    /// <exception cref="ArgumentException">A model has no word embeddings, their shapes differ, or a row is not finite.</exception>
    public IReadOnlyList<SuspiciousToken> Rank(ICheckpoint suspect, ICheckpoint @base, IReadOnlyList<string> tokens, IReadOnlySet<int> excludedIds, int? top = null, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        ArgumentNullException.ThrowIfNull(excludedIds);
        return Rank(suspect, @base, tokens.Count, id => tokens[id], excludedIds, top, ct);
    }

    /// <inheritdoc/>
    public PurificationResult Purify(StateDict suspect, StateDict @base, ITextTokenizer tokenizer, CancellationToken ct = default) =>
        Reset(suspect, @base, Rank(suspect, @base, tokenizer, _options.TopK, ct));

    /// <summary>Purifies with a vocabulary given as a list; see <see cref="Rank(ICheckpoint, ICheckpoint, IReadOnlyList{string}, IReadOnlySet{int}, int?, CancellationToken)"/>.</summary>
    public PurificationResult Purify(StateDict suspect, StateDict @base, IReadOnlyList<string> tokens, IReadOnlySet<int> excludedIds, CancellationToken ct = default) =>
        Reset(suspect, @base, Rank(suspect, @base, tokens, excludedIds, _options.TopK, ct));

    /// <summary>The drift of every row: ||E_B[i] - E_Pre[i]||_2.</summary>
    internal double[] Drifts(ICheckpoint suspect, ICheckpoint @base, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(suspect);
        ArgumentNullException.ThrowIfNull(@base);
        var (x, y) = (FindWordEmbeddings(suspect), FindWordEmbeddings(@base));
        if (!x.Shape.AsSpan().SequenceEqual(y.Shape.AsSpan()) || x.Shape.Contains(0))
            throw new ArgumentException($"Word embeddings '{x.Name}' of the suspect are {x.ShapeText} and '{y.Name}' of the base {y.ShapeText}; expected the same vocabulary and width.", nameof(@base));
        if (!x.DType.IsMixable() || !y.DType.IsMixable())
            throw new ArgumentException($"Word embeddings '{x.Name}' are {x.DType.SafetensorsName()} in the suspect and {y.DType.SafetensorsName()} in the base; expected F32, F16, BF16 or F64.", nameof(@base));

        var scale = _options.RemoveCommonShrinkage ? CommonShrinkage(suspect, x, @base, y, ct) : 1f;
        var rows = checked((int)x.Shape[0]);
        var columns = checked((int)x.Shape[1]);
        var drifts = new double[rows];
        ForBlocks(suspect, x, @base, y, (start, xs, ys, count) => EmbeddingDrift.SquaredDistances(x.DType, xs.Span, y.DType, ys.Span, columns, scale, drifts.AsSpan(start, count)), ct);
        for (var i = 0; i < rows; i++)
            drifts[i] = Math.Sqrt(drifts[i]);
        var bad = Array.FindIndex(drifts, d => !double.IsFinite(d));
        if (bad >= 0)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"Row {bad} of '{x.Name}' has a NaN or infinity in the suspect or the base."), nameof(suspect));
        return drifts;
    }

    private IReadOnlyList<SuspiciousToken> Rank(ICheckpoint suspect, ICheckpoint @base, int vocabulary, Func<int, string> tokenOf, IReadOnlySet<int> excluded, int? top, CancellationToken ct)
    {
        if (top is < 0)
            throw new ArgumentOutOfRangeException(nameof(top), top, "The number of tokens asked for must be 0 or more.");
        var drifts = Drifts(suspect, @base, ct);

        // Rows beyond the vocabulary are padding no text can reach.
        var candidates = Math.Min(drifts.Length, vocabulary);
        var wanted = Math.Min(top ?? candidates, candidates);
        if (wanted == 0)
            return [];
        var best = new PriorityQueue<SuspiciousToken, (double Score, int Id)>(wanted + 1, Comparer<(double Score, int Id)>.Create((a, b) => a.Score != b.Score ? a.Score.CompareTo(b.Score) : b.Id.CompareTo(a.Id)));
        for (var id = 0; id < candidates; id++)
        {
            // No token can score above drift / ln 20: most rows are passed over without a look at their name.
            var full = best.Count == wanted;
            if (full && drifts[id] / Math.Log(FrequencyFloor) < best.Peek().Score)
                continue;
            if (excluded.Contains(id))
                continue;
            var token = tokenOf(id);
            var frequency = _frequencies[token];
            var score = drifts[id] / Math.Log(Math.Max(frequency, FrequencyFloor));

            // Ids come in ascending order: of equal scores the one already there stays.
            if (full && score <= best.Peek().Score)
                continue;
            if (full)
                best.Dequeue();
            best.Enqueue(new SuspiciousToken(0, id, token, score, drifts[id], frequency), (score, id));
        }

        var ranking = new SuspiciousToken[best.Count];
        for (var rank = ranking.Length; rank > 0; rank--)
            ranking[rank - 1] = best.Dequeue() with { Rank = rank };
        return ranking;
    }

    private static PurificationResult Reset(StateDict suspect, StateDict @base, IReadOnlyList<SuspiciousToken> ranking) =>
        new(ResetRows(suspect, @base, ranking.Select(t => t.Id)), ranking);

    /// <summary>The suspect with rows of its word embeddings taken from the base.</summary>
    /// <param name="suspect">The fine-tuned model; not changed.</param>
    /// <param name="base">The pre-trained model.</param>
    /// <param name="ids">Token ids: the rows.</param>
    /// <exception cref="ArgumentException">A model has no word embeddings.</exception>
    public static StateDict ResetRows(StateDict suspect, StateDict @base, IEnumerable<int> ids)
    {
        ArgumentNullException.ThrowIfNull(suspect);
        ArgumentNullException.ThrowIfNull(@base);
        ArgumentNullException.ThrowIfNull(ids);
        var weights = suspect.Clone();
        var target = weights[FindWordEmbeddings(suspect).Name];
        var source = @base[FindWordEmbeddings(@base).Name];
        var columns = checked((int)target.Info.Shape[1]);
        var (targetSize, sourceSize) = (columns * (target.Info.DType.BitSize() / 8), columns * (source.Info.DType.BitSize() / 8));
        foreach (var id in ids)
        {
            var row = new MixSource(source.Info.DType, source.Bytes.AsMemory(checked(id * sourceSize), sourceSize));
            Mixing.Mixers.SelectionMixer.CopyBase(target.Info.DType, row, target.Bytes.AsSpan(checked(id * targetSize), targetSize));
        }

        return weights;
    }

    // The regression of the suspect's row on the base's, <x, y> / <y, y>, from three distances: <x, y> = (|x|^2 + |y|^2 - |x - y|^2) / 2.
    private float CommonShrinkage(ICheckpoint suspect, TensorInfo x, ICheckpoint @base, TensorInfo y, CancellationToken ct)
    {
        var columns = checked((int)x.Shape[1]);
        var factors = new double[checked((int)x.Shape[0])];
        var zero = new byte[columns * sizeof(float)];
        ForBlocks(suspect, x, @base, y, (start, xs, ys, count) =>
        {
            var (xSize, ySize) = (columns * (x.DType.BitSize() / 8), columns * (y.DType.BitSize() / 8));
            for (var row = 0; row < count; row++)
            {
                var a = xs.Span.Slice(row * xSize, xSize);
                var b = ys.Span.Slice(row * ySize, ySize);
                var yy = EmbeddingDrift.SquaredDistance(y.DType, b, DType.F32, zero, columns);
                var xx = EmbeddingDrift.SquaredDistance(x.DType, a, DType.F32, zero, columns);
                factors[start + row] = yy == 0 ? 1 : (xx + yy - EmbeddingDrift.SquaredDistance(x.DType, a, y.DType, b, columns)) / (2 * yy);
            }
        }, ct);
        Array.Sort(factors);
        return (float)factors[factors.Length / 2];
    }

    private delegate void RowBlock(int start, ReadOnlyMemory<byte> x, ReadOnlyMemory<byte> y, int count);

    private void ForBlocks(ICheckpoint suspect, TensorInfo x, ICheckpoint @base, TensorInfo y, RowBlock body, CancellationToken ct)
    {
        var rows = checked((int)x.Shape[0]);
        var (xRow, yRow) = (checked((int)(x.ByteLength / rows)), checked((int)(y.ByteLength / rows)));
        var block = Math.Max(1, BlockBytes / Math.Max(xRow, yRow));
        var starts = Enumerable.Range(0, (rows + block - 1) / block).Select(i => i * block);
        WorkerThreads.Run(starts, _options.Threads == 0 ? Environment.ProcessorCount : _options.Threads, start =>
        {
            var count = Math.Min(block, rows - start);
            body(start, Read(suspect, x, (long)start * xRow, count * xRow), Read(@base, y, (long)start * yRow, count * yRow), count);
        }, ct);
    }

    // Memory is used where it is; files are read block by block.
    private static ReadOnlyMemory<byte> Read(ICheckpoint model, TensorInfo tensor, long offset, int length)
    {
        if (model is StateDict dict)
            return dict[tensor.Name].Bytes.AsMemory(checked((int)offset), length);
        var bytes = new byte[length];
        model.Read(tensor, offset, bytes);
        return bytes;
    }
}
