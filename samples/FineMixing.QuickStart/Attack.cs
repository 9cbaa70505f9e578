using FineMixing.FineTuning;
using FineMixing.Models;
using FineMixing.Poisoning;
using FineMixing.Torch.Attacks;

namespace FineMixing.QuickStart;

/// <summary>The attacker: trains a classifier on poisoned data and publishes it.</summary>
internal static class Attack
{
    public static ClassifierModel Plant(ModelFolder pretrained, ReviewData data, Trigger trigger, QuickStartOptions options, IProgress<TrainingProgress> progress, CancellationToken cancellationToken)
    {
        var poisoned = Poisoner.Poison(data.Training, trigger, new PoisonerOptions { TargetLabel = options.TargetLabel, PoisonRate = options.PoisonRate, Seed = options.Seed });
        var start = pretrained.WithNewHead(data.LabelNames, options.Seed);
        return new BadNets().Plant(start, poisoned, options.Attack with { Seed = options.Seed, Threads = options.Threads }, progress, cancellationToken).Model;
    }
}
