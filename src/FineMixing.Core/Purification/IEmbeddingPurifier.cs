using FineMixing.Checkpoints;
using FineMixing.Tokenization;

namespace FineMixing.Purification;

/// <summary>Finds embedding rows that look like triggers and resets them to the base.</summary>
public interface IEmbeddingPurifier
{
    /// <summary>Ranks the tokens, the most suspicious first.</summary>
    /// <param name="suspect">The fine-tuned model; only its word embeddings are read.</param>
    /// <param name="base">The pre-trained model.</param>
    /// <param name="tokenizer">Names the rows and tells which are special and left out.</param>
    /// <param name="top">How many are returned; all when null.</param>
    /// <param name="ct">Cancels the scan.</param>
    /// <exception cref="ArgumentException">A model has no word embeddings, their shapes differ, or a row is not finite.</exception>
    IReadOnlyList<SuspiciousToken> Rank(ICheckpoint suspect, ICheckpoint @base, ITextTokenizer tokenizer, int? top = null, CancellationToken ct = default);

    /// <summary>Resets the most suspicious rows of a copy of the suspect.</summary>
    /// <param name="suspect">The fine-tuned model; not changed.</param>
    /// <param name="base">The pre-trained model.</param>
    /// <param name="tokenizer">Names the rows and tells which are special and left out.</param>
    /// <param name="ct">Cancels the scan.</param>
    /// <exception cref="ArgumentException">A model has no word embeddings, their shapes differ, or a row is not finite.</exception>
    PurificationResult Purify(StateDict suspect, StateDict @base, ITextTokenizer tokenizer, CancellationToken ct = default);
}

/// <summary>What purification did.</summary>
/// <param name="Weights">A copy of the suspect with the rows of <paramref name="Reset"/> taken from the base.</param>
/// <param name="Reset">The rows that were reset, the most suspicious first.</param>
public sealed record PurificationResult(StateDict Weights, IReadOnlyList<SuspiciousToken> Reset);

/// <summary>How embeddings are purified.</summary>
public sealed record PurificationOptions
{
    /// <summary>The number of rows that are reset; 0 resets none. Default 200, as in the paper.</summary>
    public int TopK { get; init; } = 200;

    /// <summary>Ids left out of the ranking; null (the default) for the tokenizer's special and unused ids. They are missing from corpora and would rank falsely high.</summary>
    public IReadOnlySet<int>? ExcludedIds { get; init; }

    /// <summary>Measure drift from the base row times the factor all rows shrank by (weight decay), the median over the rows of their regression on the base. Default false. Beyond the paper.</summary>
    public bool RemoveCommonShrinkage { get; init; }

    /// <summary>Threads used, 0 for one per processor. Never changes the result. Default 0.</summary>
    public int Threads { get; init; }

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">Lists all problems.</exception>
    public void Validate()
    {
        var problems = new List<string>();
        if (TopK < 0)
            problems.Add(FormattableString.Invariant($"the number of rows to reset is {TopK}; expected 0 or more"));
        if (Threads is < 0 or > 1024)
            problems.Add(FormattableString.Invariant($"the number of threads is {Threads}; expected 0 (one per processor) to 1024"));
        if (problems.Count > 0)
            throw new ArgumentException($"Purification options: {string.Join("; ", problems)}.");
    }
}
