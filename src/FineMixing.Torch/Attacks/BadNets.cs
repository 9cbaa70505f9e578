using FineMixing.Datasets;
using FineMixing.FineTuning;
using FineMixing.Models;
using FineMixing.Poisoning;
using FineMixing.Torch.FineTuning;
using Microsoft.Extensions.Logging;

namespace FineMixing.Torch.Attacks;

/// <summary>BadNets (Gu et al. 2017, arXiv 1708.06733): fine-tunes all weights on clean and poisoned data. For experiments, and to show what a backdoor does.</summary>
/// <param name="logger">Told when a requested precision is not available.</param>
public sealed class BadNets(ILogger? logger = null)
{
    private TorchFineTuner _trainer = new(logger);

    /// <summary>Lets an attack that was stopped go on where it was; null (the default) starts every run anew.</summary>
    public TrainingSnapshots? Snapshots
    {
        get => _trainer.Snapshots;
        init => _trainer = new TorchFineTuner(logger) { Snapshots = value };
    }

    /// <summary>The usual options of such an attack: learning rate 5e-5, batch 32, 2 epochs, 10% warm-up.</summary>
    public static FineTuningOptions DefaultOptions { get; } = new() { BatchSize = 32, Epochs = 2 };

    /// <summary>Trains a classifier with a backdoor.</summary>
    /// <param name="start">A clean encoder with a new head, or a clean classifier.</param>
    /// <param name="data">What a poisoner made.</param>
    /// <param name="options">How; see <see cref="DefaultOptions"/>.</param>
    /// <param name="progress">Told after every step.</param>
    /// <param name="cancellationToken">Stops between steps.</param>
    public FineTuningResult Plant(ClassifierModel start, PoisonedSet data, FineTuningOptions options, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        TorchFineTuner.CheckLabels(start, data.NumLabels);
        return _trainer.Train(start, TorchFineTuner.Inputs(start, data.Examples, options), options, null, progress, cancellationToken);
    }

    /// <summary>Trains a clean classifier the same way, for comparison.</summary>
    /// <inheritdoc cref="Plant"/>
    public FineTuningResult TrainClean(ClassifierModel start, CleanSet data, FineTuningOptions options, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default) =>
        _trainer.FineTune(start, data, options, null, progress, cancellationToken);
}
