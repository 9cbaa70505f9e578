using FineMixing.Mixing;

namespace FineMixing.Pipelines;

/// <summary>The defaults of <c>finemix defend</c>, the same for every checkpoint.</summary>
public static class DefenceDefaults
{
    /// <summary>E-PUR, the upper half of the layers given back to the pre-trained model, then distillation on text made from the clean samples.</summary>
    public static DefenceOptions Options { get; } = new()
    {
        Method = DefenceMethod.Distillation,
        ReserveRatio = 0.5,
        Schedule = RatioSchedule.ResetTopHalf,
    };
}
