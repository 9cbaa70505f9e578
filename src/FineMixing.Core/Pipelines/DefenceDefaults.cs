using FineMixing.Mixing;

namespace FineMixing.Pipelines;

/// <summary>The options each defence starts from; the same for every checkpoint.</summary>
public static class DefenceDefaults
{
    /// <summary>What <c>finemix defend</c> does when it is told nothing: E-PUR, a search for the trigger with a distilled model as reference, and unlearning of what it finds.</summary>
    public static DefenceOptions Options { get; } = For(DefenceMethod.TriggerUnlearning);

    /// <summary>
    /// The defaults of one method: for the methods of the paper its uniform mixing with a ratio searched on the clean samples; for distillation, and the reference of the search for a trigger,
    /// half of the weights of the lower layers, or a fifth for sentence pairs, whose made text lets the student keep more of the suspect.
    /// </summary>
    /// <param name="method">The defence.</param>
    /// <param name="pairs">Whether the task is about sentence pairs.</param>
    public static DefenceOptions For(DefenceMethod method, bool pairs = false) => method is DefenceMethod.Distillation or DefenceMethod.TriggerUnlearning
        ? new DefenceOptions { Method = method, ReserveRatio = pairs ? 0.2 : 0.5, Schedule = RatioSchedule.ResetTopHalf }
        : new DefenceOptions { Method = method };
}
