using System.Numerics.Tensors;

namespace FineMixing.Mixing.Mixers;

/// <summary>SLERP: spherical interpolation from the base (0) to the suspect (1), each tensor as one vector.</summary>
/// <remarks>
/// With unit vectors p, b and theta the angle between them: sin((1-t) theta)/sin(theta) * w_Pre + sin(t theta)/sin(theta) * w_B; a straight line where |cos theta| &gt; 0.9995.
/// t is <see cref="MixerParameters.Interpolation"/>, or the reserve ratio.
/// </remarks>
public sealed class SlerpMixer : IWeightMixer
{
    private const double Collinear = 0.9995;
    private readonly double? _t;

    /// <summary>Takes <see cref="MixerParameters.Interpolation"/>.</summary>
    public SlerpMixer(MixerParameters? parameters = null) => _t = parameters?.Interpolation;

    /// <inheritdoc/>
    public string Name => "slerp";

    /// <inheritdoc/>
    public string Title => "SLERP";

    /// <inheritdoc/>
    public string Citation => Citations.Slerp;

    /// <inheritdoc/>
    public MixerInputs Inputs { get; } = new(UsesBase: true, 0, 0);

    /// <inheritdoc/>
    public bool NeedsWholeTensors => true;

    /// <inheritdoc/>
    public bool IsRatioExact => _t is null;

    /// <inheritdoc/>
    public ITensorMixer Prepare(TensorMixContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var t = MixerArguments.Shares(this, "interpolation", _t is { } given ? [given] : null, 1, context.Ratio)[0];
        return new ArithmeticTensorMixer(context.Tensor.DType, (inputs, result) => Slerp(inputs.Base.Span, inputs.Suspect.Span, t, result));
    }

    private static void Slerp(ReadOnlySpan<float> from, ReadOnlySpan<float> to, double t, Span<float> result)
    {
        var norms = Math.Sqrt(VectorMath.SumOfSquares(from)) * Math.Sqrt(VectorMath.SumOfSquares(to));
        var cosine = norms == 0 ? 0 : Math.Clamp(VectorMath.Dot(from, to) / norms, -1, 1);
        double a = 1 - t, b = t;
        if (Math.Abs(cosine) <= Collinear)
        {
            var theta = Math.Acos(cosine);
            a = Math.Sin((1 - t) * theta) / Math.Sin(theta);
            b = Math.Sin(t * theta) / Math.Sin(theta);
        }

        TensorPrimitives.Multiply(from, (float)a, result);
        TensorPrimitives.MultiplyAdd(to, (float)b, result, result);
    }
}
