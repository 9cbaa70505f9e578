using FineMixing.Datasets;
using FineMixing.Evaluation;
using FineMixing.Models;
using FineMixing.Poisoning;
using FineMixing.Torch.Evaluation;

namespace FineMixing.QuickStart;

/// <summary>One model, measured.</summary>
/// <param name="Name">Which model.</param>
/// <param name="Accuracy">On the test sentences.</param>
/// <param name="Attack">On the test sentences of other classes, with and without the trigger.</param>
internal sealed record Row(string Name, Proportion Accuracy, AttackSuccess Attack);

/// <summary>What a model says of a text.</summary>
internal sealed record Answer(int Label, double Probability);

/// <summary>Measures models; the only place that sees test sentences and trigger.</summary>
internal sealed class Measurement(ReviewData data, Trigger trigger, QuickStartOptions options)
{
    private readonly TorchPredictor _predictor = new();
    private readonly TriggeredTestSet _triggered = TriggeredTestSet.Create(data.Test, trigger, options.TargetLabel, options.Seed);

    public IReadOnlyList<TextExample> WithTrigger => _triggered.WithTrigger;

    public IReadOnlyList<TextExample> WithoutTrigger => _triggered.WithoutTrigger;

    public Row Measure(string name, ClassifierModel model, CancellationToken cancellationToken)
    {
        var plain = Labels(model, data.Test.Examples, cancellationToken);
        var withTrigger = Labels(model, _triggered.WithTrigger, cancellationToken);
        var right = data.Test.Examples.Zip(plain).Count(p => p.First.Label == p.Second);
        var withoutTrigger = data.Test.Examples.Zip(plain).Where(p => p.First.Label != options.TargetLabel).Select(p => p.Second).ToArray();
        return new Row(name, new Proportion(right, plain.Count), _triggered.Measure(withTrigger, withoutTrigger));
    }

    public IReadOnlyList<Answer> Answers(ClassifierModel model, IReadOnlyList<TextExample> examples, CancellationToken cancellationToken) =>
        [.. Logits(model, examples, cancellationToken).Select(ToAnswer)];

    private IReadOnlyList<int> Labels(ClassifierModel model, IReadOnlyList<TextExample> examples, CancellationToken cancellationToken) =>
        Predictions.FromLogits(Logits(model, examples, cancellationToken));

    private IReadOnlyList<float[]> Logits(ClassifierModel model, IReadOnlyList<TextExample> examples, CancellationToken cancellationToken) =>
        _predictor.Logits(model, examples, new PredictionOptions { Threads = options.Threads }, cancellationToken: cancellationToken);

    private static Answer ToAnswer(float[] logits)
    {
        var best = Array.IndexOf(logits, logits.Max());
        return new Answer(best, 1 / logits.Sum(l => Math.Exp(l - logits[best])));
    }
}
