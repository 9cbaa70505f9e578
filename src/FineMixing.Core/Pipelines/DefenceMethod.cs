namespace FineMixing.Pipelines;

/// <summary>The defences a pipeline knows; each can be combined with E-PUR.</summary>
public enum DefenceMethod
{
    /// <summary>The suspect as it is, or with E-PUR alone.</summary>
    None,

    /// <summary>The suspect fine-tuned on the clean samples.</summary>
    FineTuning,

    /// <summary>Fine-mixing (Zhang et al. 2022): a random share of the weights from the suspect, the rest pre-trained, then fine-tuned.</summary>
    FineMixing,

    /// <summary>Fine-mixing (Sel): feed-forward units that are dormant on clean data become pre-trained ones, then fine-tuned.</summary>
    FineMixingSelect,

    /// <summary>Fine-pruning (Liu et al. 2018): dormant units are set to zero, then fine-tuned.</summary>
    FinePruning,

    /// <summary>Fine-pruning (F): the pruned units stay at zero while fine-tuning.</summary>
    FinePruningFrozen,

    /// <summary>Several masks, each mixed and fine-tuned, and the average of the resulting weights.</summary>
    MaskAverage,

    /// <summary>Fine-mixing followed by learning the suspect's answers on text made from the clean samples.</summary>
    Distillation,

    /// <summary>A probe for the trigger with the distilled model as reference; what it finds is removed from the suspect, by E-PUR alone where that is enough, else by unlearning. Without a find, the distilled model.</summary>
    TriggerUnlearning,
}

/// <summary>Names of <see cref="DefenceMethod"/>.</summary>
public static class DefenceMethods
{
    private static readonly (DefenceMethod Method, string Name, string Title)[] Table =
    [
        (DefenceMethod.None, "none", "No defence"),
        (DefenceMethod.FineTuning, "fine-tuning", "Fine-tuning"),
        (DefenceMethod.FineMixing, "fine-mixing", "Fine-mixing"),
        (DefenceMethod.FineMixingSelect, "fine-mixing-sel", "Fine-mixing (Sel)"),
        (DefenceMethod.FinePruning, "fine-pruning", "Fine-pruning"),
        (DefenceMethod.FinePruningFrozen, "fine-pruning-f", "Fine-pruning (F)"),
        (DefenceMethod.MaskAverage, "mask-average", "Average of masks"),
        (DefenceMethod.Distillation, "distillation", "Distillation"),
        (DefenceMethod.TriggerUnlearning, "trigger-unlearning", "Trigger unlearning"),
    ];

    /// <summary>All names, for options and messages.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Table.Select(t => t.Name)];

    /// <summary>The name on the command line, for example <c>fine-mixing-sel</c>.</summary>
    public static string Name(this DefenceMethod method) => Table[(int)method].Name;

    /// <summary>The name in text, for example <c>Fine-mixing (Sel)</c>.</summary>
    public static string Title(this DefenceMethod method) => Table[(int)method].Title;

    /// <summary>True for methods with a reserve ratio.</summary>
    public static bool UsesReserveRatio(this DefenceMethod method) => method is not (DefenceMethod.None or DefenceMethod.FineTuning);

    /// <summary>Finds a method by name.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static DefenceMethod Parse(string name)
    {
        foreach (var row in Table)
        {
            if (row.Name == name)
                return row.Method;
        }

        throw new ArgumentException($"There is no defence '{name}'; expected one of {string.Join(", ", Names)}.", nameof(name));
    }
}
