using System.Numerics.Tensors;

namespace FineMixing.Mixing.Mixers;

/// <summary>MultiSLERP: weighted interpolation of several models on a sphere, in the tangent space at their mean direction.</summary>
/// <remarks>
/// With unit vectors u_i of the tensors and weights a_i (normalised to sum 1): m = sum a_i u_i / |sum a_i u_i|; the tangents u_i - (u_i . m) m are averaged to v;
/// the result is (cos|v| m + sin|v|/|v| v) * sum a_i |w_i|.
/// </remarks>
public sealed class MultiSlerpMixer : ArithmeticMixer
{
    private const double Epsilon = 1e-8;
    /// <summary>Takes <see cref="MixerParameters.Weights"/> and <see cref="MixerParameters.Normalize"/> (default true).</summary>
    public MultiSlerpMixer(MixerParameters? parameters = null)
        : base("multislerp", "MultiSLERP", Citations.MergeKit, parameters)
    {
    }

    /// <inheritdoc/>
    public override MixerInputs Inputs { get; } = new(UsesBase: false, 1, 100);

    /// <inheritdoc/>
    public override bool NeedsWholeTensors => true;

    private protected override ArithmeticTensorMixer.Combine For(TensorMixContext context)
    {
        var weights = MixerArguments.Weights(this, Parameters.Weights, context.OtherCount + 1, 1);
        if (Parameters.Normalize ?? true)
        {
            var sum = weights.Sum();
            if (sum == 0)
                throw new ArgumentException($"{Name}: the weights sum to 0.");
            weights = [.. weights.Select(w => w / sum)];
        }

        return (_, inputs, result) => Combine(inputs, weights, context.Tensor.Name, result);
    }

    // Everything is a combination of the input vectors, so only their inner products are needed: v and m are kept as coefficients.
    private static void Combine(ArithmeticInputs inputs, double[] weights, string tensor, Span<float> result)
    {
        var n = weights.Length;
        var gram = VectorMath.Gram(inputs);
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
        if (meanNorm < Epsilon)
        {
            if (n != 2)
                throw new ArgumentException($"multislerp: the weighted directions of tensor '{tensor}' cancel out; choose other weights.");
            LinearMixer.Average(inputs, weights, normalize: false, result);
            return;
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
        result.Clear();
        for (var i = 0; i < n; i++)
        {
            var coefficient = scale * inverse[i] * ((Math.Cos(length) * mean[i]) + (Math.Sin(length) / length * tangent[i]));
            TensorPrimitives.MultiplyAdd(inputs.Model(i), (float)coefficient, result, result);
        }
    }
}
