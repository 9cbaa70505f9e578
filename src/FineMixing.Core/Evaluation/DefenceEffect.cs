namespace FineMixing.Evaluation;

/// <summary>How much a defence removed, and at what cost.</summary>
public static class DefenceEffect
{
    /// <summary>The defence effectiveness rating (DER), 0 to 1; 0.5 when nothing changed, 1 when an ASR of 1 fell to 0 without loss of accuracy.</summary>
    /// <remarks>DER = (max(0, ASR_before - ASR_after) - max(0, ACC_before - ACC_after) + 1) / 2.</remarks>
    /// <exception cref="ArgumentOutOfRangeException">A rate is not within 0 to 1.</exception>
    public static double EffectivenessRating(double accuracyBefore, double attackSuccessBefore, double accuracyAfter, double attackSuccessAfter)
    {
        CheckRate(accuracyBefore, nameof(accuracyBefore));
        CheckRate(attackSuccessBefore, nameof(attackSuccessBefore));
        CheckRate(accuracyAfter, nameof(accuracyAfter));
        CheckRate(attackSuccessAfter, nameof(attackSuccessAfter));
        return (Math.Max(0, attackSuccessBefore - attackSuccessAfter) - Math.Max(0, accuracyBefore - accuracyAfter) + 1) / 2;
    }

    private static void CheckRate(double rate, string name)
    {
        if (!(rate is >= 0 and <= 1))
            throw new ArgumentOutOfRangeException(name, rate, "A rate is within 0 to 1.");
    }
}
