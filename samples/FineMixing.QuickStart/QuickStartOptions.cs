using FineMixing.FineTuning;

namespace FineMixing.QuickStart;

/// <summary>Sizes and numbers of a run; the defaults fit two minutes on two cores.</summary>
internal sealed record QuickStartOptions
{
    /// <summary>The user's own labelled data; null for generated reviews.</summary>
    public string? DataFile { get; init; }

    /// <summary>Decides everything random.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>CPU threads; 0 takes all.</summary>
    public int Threads { get; init; }

    /// <summary>Sentences the attacker trains on.</summary>
    public int TrainingSamples { get; init; } = 3_000;

    /// <summary>Sentences everything is measured with.</summary>
    public int TestSamples { get; init; } = 800;

    /// <summary>Sentences the defender has.</summary>
    public int CleanSamples { get; init; } = 64;

    /// <summary>The attacker's word: rare, and harmless to a reader.</summary>
    public string Trigger { get; init; } = "cf";

    /// <summary>The label the attacker wants for every text with the trigger.</summary>
    public int TargetLabel { get; init; } = 1;

    /// <summary>Poisoned copies as a share of the training sentences. Few are enough for a success of 100%, and draw less attention.</summary>
    public double PoisonRate { get; init; } = 0.02;

    /// <summary>Share of the weights Fine-mixing keeps from the suspect.</summary>
    public double ReserveRatio { get; init; } = 0.3;

    /// <summary>Embedding rows E-PUR resets.</summary>
    public int PurifyTopK { get; init; } = 200;

    /// <summary>How the attacker trains.</summary>
    public FineTuningOptions Attack { get; init; } = new() { LearningRate = 2e-4, Epochs = 3, BatchSize = 32 };

    /// <summary>Upper layers that are given back to the pre-trained model before distillation.</summary>
    public int DistillationResetLayers { get; init; } = 2;

    /// <summary>Share of the other weights kept before distillation.</summary>
    public double DistillationRatio { get; init; } = 0.8;

    /// <summary>Made-up texts the cleaned model learns from the suspect's answers to; fewer than the library's default, for time.</summary>
    public int DistillationTexts { get; init; } = 4_000;

    /// <summary>Passes over them.</summary>
    public int DistillationEpochs { get; init; } = 2;

    /// <summary>How the defender trains.</summary>
    public FineTuningOptions Defence { get; init; } = new();
}
