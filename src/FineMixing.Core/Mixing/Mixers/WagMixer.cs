namespace FineMixing.Mixing.Mixers;

/// <summary>Weight averaging (WAG, model soups): the plain mean of the suspect and one or more other models fine-tuned from the same base.</summary>
public sealed class WagMixer : IWeightMixer
{
    /// <inheritdoc/>
    public string Name => "wag";

    /// <inheritdoc/>
    public string Title => "Weight averaging (WAG)";

    /// <inheritdoc/>
    public string Citation => $"{Citations.Wag}; {Citations.ModelSoups}";

    /// <inheritdoc/>
    public MixerInputs Inputs { get; } = new(UsesBase: false, 1, 100);

    /// <inheritdoc/>
    public bool NeedsWholeTensors => false;

    /// <inheritdoc/>
    public bool IsRatioExact => false;

    /// <inheritdoc/>
    public ITensorMixer Prepare(TensorMixContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var weights = Enumerable.Repeat(1.0, context.OtherCount + 1).ToArray();
        return new ArithmeticTensorMixer(context.Tensor.DType, (inputs, result) => LinearMixer.Average(inputs, weights, normalize: true, result));
    }
}
