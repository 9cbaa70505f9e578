using System.Numerics.Tensors;

namespace FineMixing.Mixing.Mixers;

/// <summary>SLERP: spherical interpolation from the base (0) to the suspect (1), each tensor as one vector.</summary>
/// <remarks>
/// With theta the angle between the two: sin((1-t) theta)/sin(theta) * w_Pre + sin(t theta)/sin(theta) * w_B; a straight line where |cos theta| &gt; 0.9995.
/// t is <see cref="MixerParameters.Interpolation"/>, or the reserve ratio.
/// </remarks>
public sealed class SlerpMixer : ArithmeticMixer
{
    internal const double Collinear = 0.9995;

    /// <summary>Takes <see cref="MixerParameters.Interpolation"/>.</summary>
    public SlerpMixer(MixerParameters? parameters = null)
        : base("slerp", "SLERP", Citations.Slerp, parameters)
    {
    }

    /// <inheritdoc/>
    public override MixerInputs Inputs { get; } = new(UsesBase: true, 0, 0);

    /// <inheritdoc/>
    public override bool NeedsWholeTensors => true;

    /// <inheritdoc/>
    public override bool IsRatioExact => Parameters.Interpolation is null;

    private protected override ArithmeticTensorMixer.Combine For(TensorMixContext context)
    {
        var t = Position(context);
        return (_, inputs, result) =>
        {
            var cosine = VectorMath.Cosine(inputs.Base.Span, inputs.Suspect.Span);
            Interpolate(inputs.Base.Span, inputs.Suspect.Span, t, Math.Abs(cosine) > Collinear ? 0 : Math.Acos(cosine), result);
        };
    }

    /// <summary>Where on the way from the base (0) to the suspect (1).</summary>
    internal double Position(TensorMixContext context) => MixerArguments.Shares(this, "interpolation", Parameters.Interpolation is { } given ? [given] : null, 1, context.Ratio)[0];

    /// <summary>Interpolates along the arc of an angle; along the line for the angle 0.</summary>
    internal static void Interpolate(ReadOnlySpan<float> from, ReadOnlySpan<float> to, double t, double theta, Span<float> result)
    {
        var sine = Math.Sin(theta);
        var (a, b) = theta == 0 ? (1 - t, t) : (Math.Sin((1 - t) * theta) / sine, Math.Sin(t * theta) / sine);
        TensorPrimitives.Multiply(from, (float)a, result);
        TensorPrimitives.MultiplyAdd(to, (float)b, result, result);
    }
}
