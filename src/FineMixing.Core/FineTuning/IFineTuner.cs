using System.Collections.Immutable;
using FineMixing.Datasets;
using FineMixing.Models;

namespace FineMixing.FineTuning;

/// <summary>What a training run gave.</summary>
/// <param name="Model">The trained classifier, in single precision.</param>
/// <param name="EpochLosses">Mean cross-entropy of each pass.</param>
public sealed record FineTuningResult(ClassifierModel Model, ImmutableArray<double> EpochLosses);

/// <summary>A text (or pair) with the probabilities a teacher gave it.</summary>
/// <param name="Text">The sentence, or the first of a pair.</param>
/// <param name="TextPair">The second, or null.</param>
/// <param name="Probabilities">One per class, summing to 1.</param>
public sealed record SoftLabel(string Text, string? TextPair, ImmutableArray<float> Probabilities);

/// <summary>Fine-tunes classifiers on clean data. Implementations take no poisoned and no test data, by type.</summary>
public interface IFineTuner
{
    /// <summary>Fine-tunes all weights on clean examples.</summary>
    /// <param name="start">Where to start; not changed.</param>
    /// <param name="clean">The trusted examples.</param>
    /// <param name="options">How.</param>
    /// <param name="pruned">Feed-forward units whose weights stay zero throughout, or null.</param>
    /// <param name="progress">Told after every step.</param>
    /// <param name="cancellationToken">Stops between steps.</param>
    /// <exception cref="ArgumentException">Options are out of range, or the labels of data and model differ.</exception>
    FineTuningResult FineTune(ClassifierModel start, CleanSet clean, FineTuningOptions options, PrunedUnits? pruned = null, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>Fine-tunes on clean examples and, with them, on texts a teacher has labelled softly (Hinton et al. 2015, arXiv 1503.02531).</summary>
    /// <param name="start">Where to start; not changed.</param>
    /// <param name="clean">The trusted examples, mixed into the same batches.</param>
    /// <param name="labelled">Texts and the teacher's probabilities.</param>
    /// <param name="options">How.</param>
    /// <param name="progress">Told after every step.</param>
    /// <param name="cancellationToken">Stops between steps.</param>
    FineTuningResult Distill(ClassifierModel start, CleanSet clean, IReadOnlyList<SoftLabel> labelled, FineTuningOptions options, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default);
}

/// <summary>Measures how active feed-forward units are on clean data.</summary>
public interface IActivationProbe
{
    /// <summary>Mean absolute activation of every intermediate unit: one array of <c>IntermediateSize</c> numbers per layer.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="clean">The trusted examples; every token that is not padding counts.</param>
    /// <param name="options">Length, device, precision, threads.</param>
    /// <param name="cancellationToken">Stops between batches.</param>
    IReadOnlyList<double[]> MeanAbsoluteActivations(ClassifierModel model, CleanSet clean, FineTuningOptions options, CancellationToken cancellationToken = default);
}
