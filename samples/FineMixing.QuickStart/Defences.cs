using FineMixing.Checkpoints;
using FineMixing.Datasets;
using FineMixing.Distillation;
using FineMixing.Mixing;
using FineMixing.Models;
using FineMixing.Pipelines;
using FineMixing.Torch.Evaluation;
using FineMixing.Torch.FineTuning;

namespace FineMixing.QuickStart;

/// <summary>The defender: has the published model, the pre-trained weights and a few clean sentences; knows neither trigger nor target.</summary>
internal sealed class Defences(StateDict pretrained, CleanSet clean, DefenderOptions options, ulong seed, int threads)
{
    private static readonly TorchFineTuner Tuner = new();
    private readonly DefencePipeline _pipeline = new(Tuner, Tuner, new TorchPredictor());

    /// <summary>The usual thing to do, which does not help.</summary>
    public DefenceResult FineTune(ClassifierModel suspect, IProgress<DefenceProgress> progress, CancellationToken cancellationToken) =>
        Run(suspect, new DefenceOptions { Method = DefenceMethod.FineTuning, PurifyTopK = 0 }, progress, cancellationToken);

    /// <summary>Resets the most suspicious embedding rows, mixes with the pre-trained weights, fine-tunes.</summary>
    public DefenceResult FineMix(ClassifierModel suspect, IProgress<DefenceProgress> progress, CancellationToken cancellationToken) =>
        Run(suspect, new DefenceOptions { Method = DefenceMethod.FineMixing, PurifyTopK = options.PurifyTopK, ReserveRatio = options.ReserveRatio }, progress, cancellationToken);

    /// <summary>Gives the upper layers back as well, then learns the suspect's answers on text made from the clean sentences: they carry what it knows, and no trigger.</summary>
    public DefenceResult Distil(ClassifierModel suspect, IProgress<DefenceProgress> progress, CancellationToken cancellationToken) => Run(
        suspect,
        new DefenceOptions
        {
            Method = DefenceMethod.Distillation,
            PurifyTopK = options.PurifyTopK,
            ReserveRatio = options.DistillationRatio,
            Schedule = RatioSchedule.ResetTop(options.DistillationResetLayers),
            Distillation = Made(clean),
        },
        progress,
        cancellationToken);

    private DistillationOptions Made(CleanSet samples)
    {
        var defaults = samples.Examples.Any(e => e.TextPair is not null) ? DistillationOptions.ForPairs : DistillationOptions.ForSentences;
        return defaults with { Texts = options.DistillationTexts, Training = defaults.Training with { Epochs = options.DistillationEpochs } };
    }

    private DefenceResult Run(ClassifierModel suspect, DefenceOptions defence, IProgress<DefenceProgress> progress, CancellationToken cancellationToken) =>
        _pipeline.Run(suspect, pretrained, clean, defence with { Samples = 0, Seed = seed, FineTuning = options.Training with { Threads = threads } }, progress, cancellationToken);
}
