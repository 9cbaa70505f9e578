using FineMixing.Checkpoints;
using FineMixing.Datasets;
using FineMixing.Distillation;
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

    /// <summary>Distils a model without the upper layers on text made from the clean sentences, compares the suspect with it to find the trigger, and unlearns that: what <c>finemix defend</c> does, on less text.</summary>
    public DefenceResult Unlearn(ClassifierModel suspect, IProgress<DefenceProgress> progress, CancellationToken cancellationToken)
    {
        var defaults = DefenceDefaults.For(DefenceMethod.TriggerUnlearning, clean.Examples.Any(e => e.TextPair is not null));
        var made = DistillationOptions.For(clean);
        return Run(
            suspect,
            defaults with
            {
                PurifyTopK = options.PurifyTopK,
                Distillation = made with { Texts = options.ReferenceTexts, Training = made.Training with { Epochs = options.ReferenceEpochs } },
                Unlearning = defaults.Unlearning with
                {
                    ReferenceTexts = options.ReferenceTexts,
                    Texts = options.UnlearningTexts,
                    Probe = defaults.Unlearning.Probe with { Candidates = options.Candidates, MaxTokens = options.MaxTokens },
                },
            },
            progress,
            cancellationToken);
    }

    private DefenceResult Run(ClassifierModel suspect, DefenceOptions defence, IProgress<DefenceProgress> progress, CancellationToken cancellationToken) =>
        _pipeline.Run(suspect, pretrained, clean, defence with { Samples = 0, Seed = seed, FineTuning = options.Training with { Threads = threads } }, progress, cancellationToken);
}
