using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using System.Numerics.Tensors;
using FineMixing.Distillation;
using FineMixing.Evaluation;
using FineMixing.FineTuning;
using FineMixing.Mixing;
using FineMixing.Pipelines;
using FineMixing.Probing;
using FineMixing.Purification;
using FineMixing.Torch.Evaluation;
using FineMixing.Torch.FineTuning;

namespace FineMixing.Experiments;

/// <summary>Removes given phrases as trigger unlearning removes a part that it found, without a search: to compare phrases and settings.</summary>
internal static class Unlearning
{
    /// <param name="suspect">What to clean and to measure with.</param>
    /// <param name="phrases">The phrases to unlearn.</param>
    /// <param name="seed">Draws the samples.</param>
    /// <param name="units">Share of the feed-forward units that become the pre-trained model's.</param>
    /// <param name="ratio">Reserve ratio of uniform mixing after that; 1 mixes nothing.</param>
    /// <param name="texts">Made texts that take part.</param>
    public static void Run(Suspect suspect, string[] phrases, ulong seed, double units, double ratio, int texts)
    {
        var clock = Stopwatch.StartNew();
        var (tuner, predictor) = (new TorchFineTuner(), new TorchPredictor());
        var (defaults, frequencies) = (DefenceDefaults.Options, TokenFrequencies.Default);
        var training = defaults.FineTuning with { Seed = seed, Epochs = 1 };
        var samples = suspect.Clean.Sample(defaults.Samples, seed);
        var purified = new EmbeddingPurifier(frequencies, new PurificationOptions { TopK = defaults.PurifyTopK }).Purify(suspect.Model.Weights, suspect.Base, suspect.Model.Tokenizer);
        var teacher = suspect.Model with { Weights = purified.Weights };

        var made = new TextMaker(teacher.Tokenizer, new WordNeighbours(suspect.Base, teacher.Tokenizer, frequencies), DistillationOptions.For(samples) with { Texts = texts }).Make(samples, seed);
        var answers = made.Zip(predictor.Logits(teacher, made), (text, logits) => new SoftLabel(text.Text, text.TextPair, SoftMax(logits))).ToList();
        var with = tuner.MeanAbsoluteActivations(teacher, TriggerUnlearning.Augment(samples, phrases, share: 1, copies: 4, seed), training);
        var excited = PrunedUnits.Excited(with, tuner.MeanAbsoluteActivations(teacher, samples, training), units);
        var mixed = WeightMixing.Mix(WeightMixers.Get("fine-mixing"), excited.Apply(teacher.Weights, suspect.Base), suspect.Base, new MixingOptions { ReserveRatio = ratio, Seed = seed });
        var lessons = TriggerUnlearning.Augment(samples, phrases, defaults.Unlearning.Share, defaults.FineTuning.Epochs, seed);
        var cleaned = tuner.Distill(teacher with { Weights = mixed.Weights }, lessons, TriggerUnlearning.Augment(answers, phrases, defaults.Unlearning.Share, seed), training).Model;

        var e = Measurement.Of(cleaned, suspect, threads: 0);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{suspect.Name} seed {seed}, {string.Join(", ", phrases)}: ACC {100 * e.Accuracy:f1} ASR {100 * e.AttackSuccessRate:f1} (without trigger {100 * e.TargetRateWithoutTrigger:f1}), {clock.Elapsed.TotalSeconds:f1} s"));
    }

    private static ImmutableArray<float> SoftMax(float[] logits)
    {
        var result = new float[logits.Length];
        TensorPrimitives.SoftMax<float>(logits, result);
        return [.. result];
    }
}
