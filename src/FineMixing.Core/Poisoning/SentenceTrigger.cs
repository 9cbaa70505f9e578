namespace FineMixing.Poisoning;

/// <summary>A whole sentence between two words, drawn from a list.</summary>
/// <remarks>Dai et al. 2019, "A backdoor attack against LSTM-based text classification systems" (arXiv 1905.12457).</remarks>
public sealed record SentenceTrigger : Trigger
{
    /// <summary>A trigger of the given sentences.</summary>
    /// <param name="sentences">One of them is inserted each time.</param>
    /// <exception cref="ArgumentException">There is no sentence, or one is empty.</exception>
    public SentenceTrigger(params IEnumerable<string> sentences) => Insertions = Array.AsReadOnly(CheckInsertions(sentences, singleWords: false));

    /// <inheritdoc/>
    public override IReadOnlyList<string> Insertions { get; }
}
