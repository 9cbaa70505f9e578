using FineMixing.Evaluation;
using FineMixing.Models;
using FineMixing.Torch.Evaluation;

namespace FineMixing.Experiments;

/// <summary>One measured defence; a line of the results file.</summary>
internal sealed record Measurement(string Key, string Suspect, string Defence, ulong Seed, double Accuracy, double AttackSuccessRate, double TargetRateWithoutTrigger, int Samples, int AttackSamples, double Seconds, double? ChosenRatio, string? Trigger = null)
{
    /// <summary>Accuracy and attack success of a classifier on all test data.</summary>
    public static EvaluationResult Of(ClassifierModel model, Suspect suspect, int threads)
    {
        var predictor = new TorchPredictor();
        var options = new PredictionOptions { Threads = threads };
        var clean = Predictions.FromLogits(predictor.Logits(model, suspect.Test.Examples, options));
        var with = Predictions.FromLogits(predictor.Logits(model, suspect.Triggered.WithTrigger, options));

        // The samples without trigger are test samples, in the same order: their predictions are known.
        var without = suspect.Test.Examples.Zip(clean).Where(p => p.First.Label != suspect.Triggered.TargetLabel).Select(p => p.Second).ToArray();
        var accuracy = ConfusionMatrix.Create(suspect.Test.Examples, clean, model.Config.LabelCount).Accuracy;
        return EvaluationResult.Create(accuracy, suspect.Triggered.Measure(with, without));
    }
}
