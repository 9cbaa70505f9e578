using System.Numerics.Tensors;

namespace FineMixing.Mixing.Mixers;

/// <summary>Linear interpolation and weighted averages.</summary>
/// <remarks>
/// Without other models and weights: (1 - ratio) * w_Pre + ratio * w_B (WiSE-FT). Otherwise sum_i a_i * w_i over the suspect and the others, weights 1 unless given,
/// divided by sum_i a_i when normalised (the default).
/// </remarks>
public sealed class LinearMixer : ArithmeticMixer
{
    /// <summary>Takes <see cref="MixerParameters.Weights"/> and <see cref="MixerParameters.Normalize"/>.</summary>
    public LinearMixer(MixerParameters? parameters = null)
        : base("linear", "Linear interpolation", Citations.WiseFt, parameters)
    {
    }

    /// <inheritdoc/>
    public override MixerInputs Inputs => new(UsesBase: Parameters.Weights is null, 0, 100) { OthersReplaceBase = true };

    /// <inheritdoc/>
    public override bool NeedsWholeTensors => false;

    private protected override ArithmeticTensorMixer.Combine For(TensorMixContext context)
    {
        if (Weights(context) is not { } weights)
            return (_, inputs, result) => Interpolate(inputs, (float)context.Ratio, result);
        return (_, inputs, result) => Average(inputs, weights, Normalizes, result);
    }

    /// <summary>True when the weighted sum is divided by the sum of the weights.</summary>
    internal bool Normalizes => Parameters.Normalize ?? true;

    /// <summary>The weight of each model but the base; null to interpolate between base and suspect.</summary>
    internal double[]? Weights(TensorMixContext context)
    {
        if (context.OtherCount == 0 && Parameters.Weights is null)
            return null;
        var weights = MixerArguments.Weights(this, Parameters.Weights, context.OtherCount + 1, 1);
        return !Normalizes || weights.Sum() != 0 ? weights : throw new ArgumentException($"{Name}: the weights sum to 0, so the average cannot be normalised.");
    }

    /// <summary>sum_i a_i * w_i, divided by the sum of the weights when asked.</summary>
    internal static void Average(ArithmeticInputs inputs, double[] weights, bool normalize, Span<float> result)
    {
        TensorPrimitives.Multiply(inputs.Model(0), (float)weights[0], result);
        for (var m = 1; m < inputs.ModelCount; m++)
            TensorPrimitives.MultiplyAdd(inputs.Model(m), (float)weights[m], result, result);
        if (normalize)
            TensorPrimitives.Divide(result, (float)weights.Sum(), result);
    }

    private static void Interpolate(ArithmeticInputs inputs, float ratio, Span<float> result)
    {
        // The ends are the models themselves, to the last bit.
        if (ratio is 0 or 1)
        {
            (ratio == 0 ? inputs.Base : inputs.Suspect).Span.CopyTo(result);
            return;
        }

        TensorPrimitives.Multiply(inputs.Base.Span, 1 - ratio, result);
        TensorPrimitives.MultiplyAdd(inputs.Suspect.Span, ratio, result, result);
    }
}
