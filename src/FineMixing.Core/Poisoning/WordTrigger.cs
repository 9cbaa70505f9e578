namespace FineMixing.Poisoning;

/// <summary>A rare word at a random word position, drawn from a list.</summary>
/// <remarks>Kurita et al. 2020, "Weight poisoning attacks on pre-trained models" (arXiv 2004.06660).</remarks>
public sealed record WordTrigger : Trigger
{
    /// <summary>A trigger of the given words.</summary>
    /// <param name="words">One of them is inserted each time; no spaces.</param>
    /// <exception cref="ArgumentException">There is no word, or one is empty or has a space.</exception>
    public WordTrigger(params IEnumerable<string> words) => Insertions = Array.AsReadOnly(CheckInsertions(words, singleWords: true));

    /// <summary>The rare words of Kurita et al.: <c>cf</c>, <c>mn</c>, <c>bb</c>, <c>tq</c>, <c>mb</c>.</summary>
    public static WordTrigger RareWords { get; } = new("cf", "mn", "bb", "tq", "mb");

    /// <inheritdoc/>
    public override IReadOnlyList<string> Insertions { get; }
}
