using FineMixing.Checkpoints;

namespace FineMixing.Mixing.Mixers;

/// <summary>NuSLERP: spherical interpolation between two models by their weights, of whole tensors or of each row.</summary>
/// <remarks>
/// From the suspect to the other model at t = a_2 / (a_1 + a_2) of <see cref="MixerParameters.Weights"/> (0.5 where they cancel); without another model, from the base to the
/// suspect at t = the reserve ratio. With <see cref="MixerParameters.RowWise"/> each row (last dimension) is a vector of its own. Vectors within 1e-4 of collinear, in the sine of their angle, are interpolated along the line.
/// </remarks>
public sealed class NuSlerpMixer : ArithmeticMixer
{
    internal const double Collinear = 1e-4;

    /// <summary>Takes <see cref="MixerParameters.Weights"/> and <see cref="MixerParameters.RowWise"/>.</summary>
    public NuSlerpMixer(MixerParameters? parameters = null)
        : base("nuslerp", "NuSLERP", Citations.MergeKit, parameters)
    {
    }

    /// <inheritdoc/>
    public override MixerInputs Inputs => new(UsesBase: Parameters.Weights is null, 0, 1) { OthersReplaceBase = true };

    /// <inheritdoc/>
    public override bool NeedsWholeTensors => true;

    private protected override ArithmeticTensorMixer.Combine For(TensorMixContext context)
    {
        var t = Position(context);
        var length = VectorLength(context.Tensor);
        return (_, inputs, result) =>
        {
            var from = (context.OtherCount == 0 ? inputs.Base : inputs.Suspect).Span;
            var to = (context.OtherCount == 0 ? inputs.Suspect : inputs.Others[0]).Span;
            for (var start = 0; start < result.Length; start += (int)length)
                Interpolate(from.Slice(start, (int)length), to.Slice(start, (int)length), t, result.Slice(start, (int)length));
        };
    }

    /// <summary>Where on the way from the first model (0) to the second (1).</summary>
    internal double Position(TensorMixContext context)
    {
        var weights = context.OtherCount == 0 && Parameters.Weights is null
            ? [1 - context.Ratio, context.Ratio]
            : MixerArguments.Weights(this, Parameters.Weights, context.OtherCount + 1, 1);
        if (weights.Length != 2)
            throw new ArgumentException($"{Name} interpolates between two models; give one other model with its weights, or no weights.");
        var sum = weights.Sum();
        return Math.Abs(sum) < 1e-6 ? 0.5 : weights[1] / sum;
    }

    /// <summary>How many elements are one vector.</summary>
    internal long VectorLength(TensorInfo tensor) => Parameters.RowWise == true && tensor.Shape.Length > 0 ? tensor.Shape[^1] : tensor.ElementCount;

    private static void Interpolate(ReadOnlySpan<float> from, ReadOnlySpan<float> to, double t, Span<float> result)
    {
        var theta = Math.Acos(VectorMath.Cosine(from, to));
        SlerpMixer.Interpolate(from, to, t, Math.Sin(theta) < Collinear ? 0 : theta, result);
    }
}
