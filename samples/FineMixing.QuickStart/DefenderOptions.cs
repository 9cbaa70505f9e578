using FineMixing.FineTuning;

namespace FineMixing.QuickStart;

/// <summary>The defender's numbers; apart from the others, so that neither trigger nor target label can reach the defence.</summary>
internal sealed record DefenderOptions
{
    /// <summary>Embedding rows E-PUR resets.</summary>
    public int PurifyTopK { get; init; } = 200;

    /// <summary>Share of the weights Fine-mixing keeps from the suspect.</summary>
    public double ReserveRatio { get; init; } = 0.3;

    /// <summary>Made-up texts the reference of the search for the trigger learns the suspect's answers to; fewer than the library's default, for time.</summary>
    public int ReferenceTexts { get; init; } = 1_000;

    /// <summary>Passes over them.</summary>
    public int ReferenceEpochs { get; init; } = 2;

    /// <summary>Those of them that take part when only a part of a trigger was found; for a whole one all do.</summary>
    public int UnlearningTexts { get; init; } = 500;

    /// <summary>The most suspicious tokens that are tried.</summary>
    public int Candidates { get; init; } = 300;

    /// <summary>Longest phrase that is tried.</summary>
    public int MaxTokens { get; init; } = 2;

    /// <summary>How the defender fine-tunes.</summary>
    public FineTuningOptions Training { get; init; } = new();
}
