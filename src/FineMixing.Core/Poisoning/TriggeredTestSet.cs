using FineMixing.Datasets;
using FineMixing.Evaluation;

namespace FineMixing.Poisoning;

/// <summary>The test samples of all classes but the target, with and without the trigger: what ASR is measured on.</summary>
public sealed class TriggeredTestSet
{
    private TriggeredTestSet(TextExample[] withTrigger, TextExample[] withoutTrigger, int targetLabel, int numLabels)
    {
        WithTrigger = Array.AsReadOnly(withTrigger);
        WithoutTrigger = Array.AsReadOnly(withoutTrigger);
        TargetLabel = targetLabel;
        NumLabels = numLabels;
        Sha256 = ExampleList.Hash(withTrigger);
    }

    /// <summary>The samples with the trigger and their true labels.</summary>
    public IReadOnlyList<TextExample> WithTrigger { get; }

    /// <summary>The same samples as they were, in the same order.</summary>
    public IReadOnlyList<TextExample> WithoutTrigger { get; }

    /// <summary>The label the attacker wants.</summary>
    public int TargetLabel { get; }

    /// <summary>The number of classes.</summary>
    public int NumLabels { get; }

    /// <summary>SHA-256 of the triggered texts and labels in order, in hexadecimal.</summary>
    public string Sha256 { get; }

    /// <summary>Gives every test sample that is not of the target class the trigger.</summary>
    /// <param name="test">The test set.</param>
    /// <param name="trigger">What is inserted.</param>
    /// <param name="targetLabel">The label the attacker wants.</param>
    /// <param name="seed">Decides what is inserted where.</param>
    /// <exception cref="ArgumentException">The target label is out of range, or every sample is of the target class.</exception>
    public static TriggeredTestSet Create(TestSet test, Trigger trigger, int targetLabel, ulong seed = 0)
    {
        ArgumentNullException.ThrowIfNull(test);
        ArgumentNullException.ThrowIfNull(trigger);
        if ((uint)targetLabel >= (uint)test.NumLabels)
            throw new ArgumentOutOfRangeException(nameof(targetLabel), $"The target label {targetLabel} is not 0 to {test.NumLabels - 1}.");
        var plain = test.Examples.Where(example => example.Label != targetLabel).ToArray();
        if (plain.Length == 0)
            throw new ArgumentException($"Every test sample has the target label {targetLabel}: there is nothing to attack.", nameof(test));
        return new TriggeredTestSet([.. plain.Select(example => trigger.ApplyTo(example, seed))], plain, targetLabel, test.NumLabels);
    }

    /// <summary>Compares a classifier's predictions on the samples with and without the trigger.</summary>
    /// <param name="withTrigger">The predicted label of each sample of <see cref="WithTrigger"/>.</param>
    /// <param name="withoutTrigger">The predicted label of each sample of <see cref="WithoutTrigger"/>.</param>
    /// <exception cref="ArgumentException">The numbers differ, or a label is out of range.</exception>
    public AttackSuccess Measure(IReadOnlyList<int> withTrigger, IReadOnlyList<int> withoutTrigger) =>
        AttackSuccess.Create(WithoutTrigger, withTrigger, withoutTrigger, TargetLabel, NumLabels);
}
