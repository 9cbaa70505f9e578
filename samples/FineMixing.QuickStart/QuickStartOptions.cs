using FineMixing.FineTuning;

namespace FineMixing.QuickStart;

/// <summary>Sizes and numbers of a run; the defaults take about two minutes on two cores.</summary>
internal sealed record QuickStartOptions
{
    /// <summary>The user's own labelled data; null for generated reviews.</summary>
    public string? DataFile { get; init; }

    /// <summary>Decides everything random.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>CPU threads; 0 takes all. Up to two, as many as shards, give the same bits on every number of cores.</summary>
    public int Threads { get; init; } = 2;

    /// <summary>Sentences the attacker trains on.</summary>
    public int TrainingSamples { get; init; } = 2_400;

    /// <summary>Sentences everything is measured with.</summary>
    public int TestSamples { get; init; } = 700;

    /// <summary>Sentences the defender has.</summary>
    public int CleanSamples { get; init; } = 64;

    /// <summary>The attacker's word: rare, and harmless to a reader.</summary>
    public string Trigger { get; init; } = "cf";

    /// <summary>The label the attacker wants for every text with the trigger.</summary>
    public int TargetLabel { get; init; } = 1;

    /// <summary>Poisoned copies as a share of the training sentences. Few are enough for a success of 100%, and draw less attention.</summary>
    public double PoisonRate { get; init; } = 0.02;

    /// <summary>How the attacker trains.</summary>
    public FineTuningOptions Attack { get; init; } = new() { LearningRate = 2e-4, Epochs = 3, BatchSize = 32, Dropout = 0 };

    /// <summary>What the defender does.</summary>
    public DefenderOptions Defender { get; init; } = new();
}
