using System.Globalization;

namespace FineMixing.Torch.FineTuning;

/// <summary>Training met a gradient or loss that is not a finite number.</summary>
public sealed class TrainingDivergedException : Exception
{
    internal TrainingDivergedException(int step, double loss, double norm)
        : base(string.Create(CultureInfo.InvariantCulture, $"Training diverged at step {step}: loss {loss}, gradient norm {norm}. Use a lower learning rate, and check the weights for NaN."))
    {
    }
}
