namespace FineMixing.FineTuning;

/// <summary>The learning rate over a run: linear warm-up to the peak, then linear decay to 0.</summary>
public static class LinearSchedule
{
    /// <summary>The learning rate of one step.</summary>
    /// <param name="step">The step, from 0.</param>
    /// <param name="totalSteps">Steps in all, at least 1.</param>
    /// <param name="warmUp">Share of the steps with a rising rate, 0 to 1.</param>
    /// <param name="peak">The highest rate.</param>
    public static double At(int step, int totalSteps, double warmUp, double peak)
    {
        var rising = WarmUpSteps(totalSteps, warmUp);
        return step < rising
            ? peak * (step + 1) / rising
            : peak * (totalSteps - step) / Math.Max(1, totalSteps - rising);
    }

    /// <summary>The number of steps with a rising rate.</summary>
    public static int WarmUpSteps(int totalSteps, double warmUp) => (int)Math.Floor(totalSteps * warmUp);
}
