using System.Collections.Immutable;
using FineMixing.Mixing;
using FineMixing.Models;
using FineMixing.Probing;
using FineMixing.Purification;

namespace FineMixing.Pipelines;

/// <summary>What a defence made, and how.</summary>
public sealed record DefenceResult
{
    /// <summary>The defended classifier.</summary>
    public required ClassifierModel Model { get; init; }

    /// <summary>The options it was made with.</summary>
    public required DefenceOptions Options { get; init; }

    /// <summary>The reserve ratio used; null where the method has none.</summary>
    public double? ReserveRatio { get; init; }

    /// <summary>The search for the ratio, when there was one.</summary>
    public RatioSearchResult? Search { get; init; }

    /// <summary>The embedding rows E-PUR reset, the most suspicious first.</summary>
    public IReadOnlyList<SuspiciousToken> ResetTokens { get; init; } = [];

    /// <summary>What <see cref="DefenceMethod.TriggerUnlearning"/> found; null for other methods.</summary>
    public ProbeResult? Probe { get; init; }

    /// <summary>What mixing did to each tensor; empty where nothing was mixed.</summary>
    public IReadOnlyList<TensorMixSummary> MixedTensors { get; init; } = [];

    /// <summary>Mean loss of each pass of the last training.</summary>
    public ImmutableArray<double> EpochLosses { get; init; } = [];

    /// <summary>Clean samples used.</summary>
    public int Samples { get; init; }

    /// <summary>SHA-256 of the clean samples used.</summary>
    public required string SamplesSha256 { get; init; }
}

/// <summary>Where a defence stands.</summary>
/// <param name="Stage">What it is doing, for example <c>fine-tuning</c>.</param>
/// <param name="Done">Units of work done in this stage.</param>
/// <param name="Total">Units of work in this stage.</param>
public readonly record struct DefenceProgress(string Stage, int Done, int Total);
