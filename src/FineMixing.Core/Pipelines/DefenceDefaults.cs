using FineMixing.Mixing;

namespace FineMixing.Pipelines;

/// <summary>The options each defence starts from; the same for every checkpoint.</summary>
public static class DefenceDefaults
{
    /// <summary>What <c>finemix defend</c> does when it is told nothing: E-PUR, a search for the trigger with a distilled model as reference, and unlearning of what it finds.</summary>
    public static DefenceOptions Options { get; } = For(DefenceMethod.TriggerUnlearning);

    /// <summary>
    /// The defaults of one method: for the methods of the paper its uniform mixing with a ratio searched on the clean samples; for distillation, and the reference of the search for a trigger,
    /// half of the weights of the lower layers.
    /// </summary>
    public static DefenceOptions For(DefenceMethod method) => method is DefenceMethod.Distillation or DefenceMethod.TriggerUnlearning
        ? new DefenceOptions { Method = method, ReserveRatio = 0.5, Schedule = RatioSchedule.ResetTopHalf }
        : new DefenceOptions { Method = method };
}
