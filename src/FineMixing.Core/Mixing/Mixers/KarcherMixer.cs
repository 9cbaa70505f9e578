namespace FineMixing.Mixing.Mixers;

/// <summary>Karcher mean: the point of the sphere whose squared geodesic distances to the tensors' directions sum to the least, with their mean length.</summary>
/// <remarks>
/// Gradient descent from the normalised mean u: T = sum a_i theta_i / sin(theta_i) (u_i - cos(theta_i) u), u = cos|T| u + sin|T| T/|T|, at most 10 steps, until |T| &lt; 1e-5. Equal weights.
/// Karcher: Riemannian center of mass and mollifier smoothing. Comm. Pure Appl. Math. 30 (1977).
/// </remarks>
public sealed class KarcherMixer : ArithmeticMixer
{
    private const int Steps = 10;
    private const double Tolerance = 1e-5;

    /// <summary>Has no parameters.</summary>
    public KarcherMixer()
        : base("karcher", "Karcher mean", "Karcher: Riemannian center of mass and mollifier smoothing. Communications on Pure and Applied Mathematics 30 (1977), doi:10.1002/cpa.3160300502")
    {
    }

    /// <inheritdoc/>
    public override MixerInputs Inputs { get; } = new(UsesBase: false, 1, 100);

    /// <inheritdoc/>
    public override bool NeedsWholeTensors => true;

    /// <inheritdoc/>
    public override bool UsesReserveRatio => false;

    private protected override ArithmeticTensorMixer.Combine For(TensorMixContext context) => (_, inputs, result) => VectorMath.Combine(inputs, Coefficients(VectorMath.Gram(inputs)), result);

    /// <summary>The factor of each model, from their inner products.</summary>
    internal static double[] Coefficients(double[,] gram)
    {
        // The mean stays in the span of the inputs: it is kept as coefficients of their unit vectors.
        var n = gram.GetLength(0);
        var norms = Enumerable.Range(0, n).Select(i => Math.Sqrt(gram[i, i])).ToArray();
        var valid = Enumerable.Range(0, n).Where(i => norms[i] > Tolerance).ToArray();
        var u = new double[n];
        if (valid.Length == 0)
            return u;
        var weight = 1.0 / valid.Length;
        foreach (var i in valid)
            u[i] = weight;
        if (Length(u) < Tolerance)
        {
            Array.Clear(u);
            u[valid[0]] = 1;
        }

        Normalize(u);
        for (var step = 0; step < Steps; step++)
        {
            var t = new double[n];
            foreach (var i in valid)
            {
                var cosine = 0.0;
                foreach (var j in valid)
                    cosine += u[j] * Unit(i, j);
                cosine = Math.Clamp(cosine, -1, 1);
                var theta = Math.Acos(cosine);
                if (theta < Tolerance)
                    continue;
                var factor = weight * theta / Math.Sin(theta);
                t[i] += factor;
                foreach (var j in valid)
                    t[j] -= factor * cosine * u[j];
            }

            var length = Length(t);
            if (length < Tolerance)
                break;
            foreach (var j in valid)
                u[j] = (Math.Cos(length) * u[j]) + (Math.Sin(length) / length * t[j]);
            Normalize(u);
        }

        var scale = norms.Average();
        foreach (var i in valid)
            u[i] *= scale / norms[i];
        return u;

        double Unit(int i, int j) => gram[i, j] / (norms[i] * norms[j]);

        double Length(double[] v)
        {
            double square = 0;
            foreach (var i in valid)
            {
                foreach (var j in valid)
                    square += v[i] * v[j] * Unit(i, j);
            }

            return Math.Sqrt(Math.Max(0, square));
        }

        void Normalize(double[] v)
        {
            var length = Length(v);
            foreach (var i in valid)
                v[i] /= length;
        }
    }
}
