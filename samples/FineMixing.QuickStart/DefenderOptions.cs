using FineMixing.FineTuning;

namespace FineMixing.QuickStart;

/// <summary>The defender's numbers; apart from the others, so that neither trigger nor target label can reach the defence.</summary>
internal sealed record DefenderOptions
{
    /// <summary>Embedding rows E-PUR resets.</summary>
    public int PurifyTopK { get; init; } = 200;

    /// <summary>Share of the weights Fine-mixing keeps from the suspect.</summary>
    public double ReserveRatio { get; init; } = 0.3;

    /// <summary>Upper layers that are given back to the pre-trained model before distillation.</summary>
    public int DistillationResetLayers { get; init; } = 2;

    /// <summary>Share of the other weights kept before distillation.</summary>
    public double DistillationRatio { get; init; } = 0.8;

    /// <summary>Made-up texts the cleaned model learns from the suspect's answers to; fewer than the library's default, for time.</summary>
    public int DistillationTexts { get; init; } = 3_000;

    /// <summary>Passes over them.</summary>
    public int DistillationEpochs { get; init; } = 2;

    /// <summary>How the defender fine-tunes.</summary>
    public FineTuningOptions Training { get; init; } = new() { Shards = 2 };
}
