namespace FineMixing.Mixing.Mixers;

/// <summary>MultiSLERP: weighted interpolation of several models on a sphere, in the tangent space at their mean direction.</summary>
/// <remarks>
/// With unit vectors u_i of the tensors and weights a_i (normalised to sum 1): m = sum a_i u_i / |sum a_i u_i|; the tangents u_i - (u_i . m) m are averaged to v;
/// the result is (cos|v| m + sin|v|/|v| v) * sum a_i |w_i|.
/// </remarks>
public sealed class MultiSlerpMixer : ArithmeticMixer
{
    private const double Epsilon = 1e-8;

    // Of unit vectors: a mean this short is rounding rather than a direction.
    private const double Cancelled = 1e-4;
    /// <summary>Takes <see cref="MixerParameters.Weights"/> and <see cref="MixerParameters.Normalize"/> (default true).</summary>
    public MultiSlerpMixer(MixerParameters? parameters = null)
        : base("multislerp", "MultiSLERP", Citations.MergeKit, parameters)
    {
    }

    /// <inheritdoc/>
    public override MixerInputs Inputs { get; } = new(UsesBase: false, 1, 100);

    /// <inheritdoc/>
    public override bool NeedsWholeTensors => true;

    /// <inheritdoc/>
    public override bool UsesReserveRatio => false;

    private protected override ArithmeticTensorMixer.Combine For(TensorMixContext context)
    {
        var weights = Weights(context);
        return (_, inputs, result) => VectorMath.Combine(inputs, Coefficients(VectorMath.Gram(inputs), weights, context.Tensor.Name), result);
    }

    /// <summary>The weight of each model.</summary>
    internal double[] Weights(TensorMixContext context)
    {
        var weights = MixerArguments.Weights(this, Parameters.Weights, context.OtherCount + 1, 1);
        if (!(Parameters.Normalize ?? true))
            return weights;
        var sum = weights.Sum();
        return sum != 0 ? [.. weights.Select(w => w / sum)] : throw new ArgumentException($"{Name}: the weights sum to 0.");
    }

    /// <summary>The factor of each model, from their inner products.</summary>
    internal static double[] Coefficients(double[,] gram, double[] weights, string tensor)
    {
        // Everything is a combination of the input vectors, so only their inner products are needed: v and m are kept as coefficients.
        var n = weights.Length;
        var norms = Enumerable.Range(0, n).Select(i => Math.Sqrt(gram[i, i])).ToArray();
        var inverse = norms.Select(x => 1 / (x + Epsilon)).ToArray();

        // Inner products of the unit vectors.
        double Unit(int i, int j) => gram[i, j] * inverse[i] * inverse[j];
        double meanSquare = 0;
        for (var i = 0; i < n; i++)
        {
            for (var j = 0; j < n; j++)
                meanSquare += weights[i] * weights[j] * Unit(i, j);
        }

        var meanNorm = Math.Sqrt(Math.Max(0, meanSquare));
        if (meanNorm < Cancelled)
        {
            if (n != 2 && norms.Any(x => x > 0))
                throw new ArgumentException($"multislerp: the weighted directions of tensor '{tensor}' cancel out; choose other weights.");
            return weights;
        }

        var mean = weights.Select(w => w / meanNorm).ToArray();
        var tangent = (double[])weights.Clone();
        double meanPart = 0;
        for (var i = 0; i < n; i++)
        {
            double dot = 0;
            for (var j = 0; j < n; j++)
                dot += mean[j] * Unit(i, j);
            meanPart += weights[i] * dot;
        }

        for (var i = 0; i < n; i++)
            tangent[i] -= meanPart * mean[i];
        double tangentSquare = 0;
        for (var i = 0; i < n; i++)
        {
            for (var j = 0; j < n; j++)
                tangentSquare += tangent[i] * tangent[j] * Unit(i, j);
        }

        var length = Math.Sqrt(Math.Max(0, tangentSquare)) + Epsilon;
        var scale = Enumerable.Range(0, n).Sum(i => norms[i] * weights[i]);
        return [.. Enumerable.Range(0, n).Select(i => scale * inverse[i] * ((Math.Cos(length) * mean[i]) + (Math.Sin(length) / length * tangent[i])))];
    }
}
