using FineMixing.Mixing;

namespace FineMixing.Pipelines;

/// <summary>The options each defence starts from; the same for every checkpoint.</summary>
public static class DefenceDefaults
{
    /// <summary>What <c>finemix defend</c> does when it is told nothing: E-PUR, the upper half of the layers given back to the pre-trained model, then distillation on text made from the clean samples.</summary>
    public static DefenceOptions Options { get; } = For(DefenceMethod.Distillation);

    /// <summary>The defaults of one method: for the methods of the paper its uniform mixing with a ratio searched on the clean samples, for distillation half of the weights of the lower layers.</summary>
    public static DefenceOptions For(DefenceMethod method) => method == DefenceMethod.Distillation
        ? new DefenceOptions { Method = method, ReserveRatio = 0.5, Schedule = RatioSchedule.ResetTopHalf }
        : new DefenceOptions { Method = method };
}
