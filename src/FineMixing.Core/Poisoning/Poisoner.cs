using FineMixing.Datasets;

namespace FineMixing.Poisoning;

/// <summary>Which training samples get the trigger.</summary>
public enum PoisonSetting
{
    /// <summary>Samples of any class; all get the target label.</summary>
    Mix,

    /// <summary>Only samples of the target class: no label changes.</summary>
    CleanLabel,

    /// <summary>Only samples of other classes, which get the target label.</summary>
    DirtyLabel,
}

/// <summary>How a training set is poisoned.</summary>
public sealed record PoisonerOptions
{
    /// <summary>The label inputs with the trigger shall get; default 1.</summary>
    public int TargetLabel { get; init; } = 1;

    /// <summary>Poisoned copies as a share of the training samples, above 0 to 1; default 0.1. Fewer when fewer samples are eligible.</summary>
    public double PoisonRate { get; init; } = 0.1;

    /// <summary>Which samples are copied; default <see cref="PoisonSetting.DirtyLabel"/>.</summary>
    public PoisonSetting Setting { get; init; } = PoisonSetting.DirtyLabel;

    /// <summary>Decides which samples are poisoned and where the trigger goes; default 0.</summary>
    public ulong Seed { get; init; }
}

/// <summary>Plants a trigger in a training set, as an attacker would (BadNets, Gu et al. 2017, arXiv 1708.06733).</summary>
public static class Poisoner
{
    /// <summary>Adds poisoned copies to a training set; the clean samples all stay.</summary>
    /// <param name="clean">The training samples.</param>
    /// <param name="trigger">What is inserted.</param>
    /// <param name="options">How; null: the defaults.</param>
    /// <returns>The clean samples in their order, then the poisoned copies. The same samples are poisoned in the same way whatever the order of the set.</returns>
    /// <exception cref="ArgumentException">An option is out of range, or no sample is eligible; names all problems.</exception>
    public static PoisonedSet Poison(CleanSet clean, Trigger trigger, PoisonerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(clean);
        ArgumentNullException.ThrowIfNull(trigger);
        options ??= new PoisonerOptions();
        var problems = new List<string>();
        if ((uint)options.TargetLabel >= (uint)clean.NumLabels)
            problems.Add($"the target label {options.TargetLabel} is not 0 to {clean.NumLabels - 1}");
        if (!(options.PoisonRate is > 0 and <= 1))
            problems.Add(FormattableString.Invariant($"the poison rate {options.PoisonRate} is not above 0 and at most 1"));
        if (problems.Count > 0)
            throw new ArgumentException($"Cannot poison: {string.Join("; ", problems)}.", nameof(options));

        var eligible = clean.Examples.Where(example => options.Setting switch
        {
            PoisonSetting.Mix => true,
            PoisonSetting.CleanLabel => example.Label == options.TargetLabel,
            PoisonSetting.DirtyLabel => example.Label != options.TargetLabel,
            _ => throw new ArgumentOutOfRangeException(nameof(options), options.Setting, "Unknown poison setting."),
        });
        var count = Math.Max(1, (int)Math.Round(options.PoisonRate * clean.Examples.Count));
        var poisoned = ExampleList.SeededOrder(eligible, options.Seed, "poison").Take(count)
            .Select(example => trigger.ApplyTo(example, options.Seed) with { Label = options.TargetLabel })
            .ToList();
        return new PoisonedSet([.. clean.Examples, .. poisoned], clean.NumLabels, poisoned.Count);
    }
}
