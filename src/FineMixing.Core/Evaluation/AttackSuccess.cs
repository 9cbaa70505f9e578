using FineMixing.Datasets;

namespace FineMixing.Evaluation;

/// <summary>What a trigger does to a classifier, over the test samples whose true label is not the target.</summary>
/// <remarks>Samples of the target class are left out: a classifier that is right about them would count as attacked.</remarks>
/// <param name="TargetLabel">The label the attacker wants.</param>
/// <param name="AttackSuccessRate">ASR: the share of samples with trigger that get the target label.</param>
/// <param name="TargetRateWithoutTrigger">The share of the same samples that get the target label without the trigger: the floor of the ASR.</param>
/// <param name="RobustAccuracy">RA: the share of samples with trigger that get their true label.</param>
/// <param name="LabelFlipRate">LFR: of the samples that do not get the target label without the trigger, the share that get it with the trigger: the flips the trigger itself causes.</param>
public sealed record AttackSuccess(int TargetLabel, Proportion AttackSuccessRate, Proportion TargetRateWithoutTrigger, Proportion RobustAccuracy, Proportion LabelFlipRate)
{
    /// <summary>Compares predictions with and without the trigger.</summary>
    /// <param name="examples">The samples with their true labels; those of the target class are skipped.</param>
    /// <param name="withTrigger">The label predicted for each sample with the trigger, in the same order.</param>
    /// <param name="withoutTrigger">The label predicted for each sample as it is, in the same order.</param>
    /// <param name="targetLabel">The label the attacker wants.</param>
    /// <param name="numLabels">The number of classes.</param>
    /// <exception cref="ArgumentException">The numbers differ, or a label is out of range.</exception>
    public static AttackSuccess Create(IReadOnlyList<TextExample> examples, IReadOnlyList<int> withTrigger, IReadOnlyList<int> withoutTrigger, int targetLabel, int numLabels = 2)
    {
        EvaluationInputs.Check(examples, withTrigger, numLabels);
        EvaluationInputs.Check(examples, withoutTrigger, numLabels);
        if ((uint)targetLabel >= (uint)numLabels)
            throw new ArgumentOutOfRangeException(nameof(targetLabel), $"The target label {targetLabel} is not 0 to {numLabels - 1}.");
        int total = 0, hit = 0, before = 0, robust = 0, flipped = 0;
        for (var i = 0; i < examples.Count; i++)
        {
            if (examples[i].Label == targetLabel)
                continue;
            total++;
            hit += withTrigger[i] == targetLabel ? 1 : 0;
            before += withoutTrigger[i] == targetLabel ? 1 : 0;
            robust += withTrigger[i] == examples[i].Label ? 1 : 0;
            flipped += withTrigger[i] == targetLabel && withoutTrigger[i] != targetLabel ? 1 : 0;
        }

        return new AttackSuccess(targetLabel, new(hit, total), new(before, total), new(robust, total), new(flipped, total - before));
    }
}
