using FineMixing.Datasets;

namespace FineMixing.Tokenization;

/// <summary>Tokenization of whole data sets.</summary>
public static class TokenizerExtensions
{
    /// <summary>Encodes every example, on all processors, in input order.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="examples">Texts or pairs.</param>
    /// <param name="maxLength">The most ids of an example, special tokens included.</param>
    /// <param name="truncation">What is cut from a pair that is too long.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>One encoding per example, in the same order.</returns>
    /// <exception cref="ArgumentException">An example cannot be cut to the length.</exception>
    /// <exception cref="OperationCanceledException">The work was stopped.</exception>
    public static IReadOnlyList<Encoding> EncodeAll(this ITextTokenizer tokenizer, IReadOnlyList<TextExample> examples, int maxLength, Truncation truncation = Truncation.LongestFirst, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(examples);
        var result = new Encoding[examples.Count];
        try
        {
            Parallel.For(0, examples.Count, new ParallelOptions { CancellationToken = cancellationToken }, i =>
                result[i] = tokenizer.Encode(examples[i].Text, examples[i].TextPair, maxLength, truncation));
        }
        catch (AggregateException exception) when (exception.InnerExceptions.All(inner => inner is ArgumentException))
        {
            throw exception.InnerExceptions[0];
        }

        return result;
    }
}
