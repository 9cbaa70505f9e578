namespace FineMixing.Mixing.Mixers;

/// <summary>Weight averaging (WAG, model soups): the plain mean of the suspect and one or more other models fine-tuned from the same base.</summary>
public sealed class WagMixer : ArithmeticMixer
{
    /// <summary>Has no parameters.</summary>
    public WagMixer()
        : base("wag", "Weight averaging (WAG, model soup)", $"{Citations.Wag}; {Citations.ModelSoups}")
    {
    }

    /// <inheritdoc/>
    public override MixerInputs Inputs { get; } = new(UsesBase: false, 1, 100);

    /// <inheritdoc/>
    public override bool NeedsWholeTensors => false;

    /// <inheritdoc/>
    public override bool UsesReserveRatio => false;

    private protected override ArithmeticTensorMixer.Combine For(TensorMixContext context)
    {
        var weights = Enumerable.Repeat(1.0, context.OtherCount + 1).ToArray();
        return (_, inputs, result) => LinearMixer.Average(inputs, weights, normalize: true, result);
    }
}
