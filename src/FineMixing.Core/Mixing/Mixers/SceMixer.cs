namespace FineMixing.Mixing.Mixers;

/// <summary>SCE (select, calculate, erase): merges the changes where models differ most, weighted by their energy, where signs agree.</summary>
/// <remarks>
/// Select: the floor(top-k * count of non-zero) elements of highest variance among the models' changes. Calculate: a model's weight is the mean square of its selected change over the sum of all.
/// Erase: changes whose sign is not that of the sum (a sum of zero counts as positive). Result: w_Pre + (sum of weighted changes left) / (sum of the weights left, at least 1e-6); where the mean squares sum to less than 1e-6 all models weigh the same. Top-k is <see cref="MixerParameters.SelectTopK"/>, or the reserve ratio.
/// </remarks>
public sealed class SceMixer : ArithmeticMixer
{
    /// <summary>Takes <see cref="MixerParameters.SelectTopK"/>.</summary>
    public SceMixer(MixerParameters? parameters = null)
        : base("sce", "SCE", Citations.Sce, parameters)
    {
    }

    /// <inheritdoc/>
    public override MixerInputs Inputs { get; } = new(UsesBase: true, 1, 100);

    /// <inheritdoc/>
    public override bool NeedsWholeTensors => true;

    private protected override ArithmeticTensorMixer.Combine For(TensorMixContext context)
    {
        var topK = TopK(context);
        return (_, inputs, result) =>
        {
            var changes = Enumerable.Range(0, inputs.ModelCount).Select(inputs.Change).ToArray();
            if (topK < 1)
                Select(changes, topK);
            Erase(inputs.Base.Span, changes, Weights(Array.ConvertAll(changes, c => VectorMath.SumOfSquares(c) / c.Length)), result);
        };
    }

    /// <summary>The share of elements that are selected.</summary>
    internal double TopK(TensorMixContext context) => MixerArguments.Shares(this, "top-k", Parameters.SelectTopK is { } given ? [given] : null, 1, context.Ratio)[0];

    /// <summary>The weight of each model from the mean square of its change.</summary>
    internal static double[] Weights(double[] energies)
    {
        var sum = energies.Sum();
        return Array.ConvertAll(energies, e => sum < 1e-6 ? 1.0 / energies.Length : e / sum);
    }

    private static void Select(float[][] changes, double topK)
    {
        var count = changes[0].Length;
        var variances = new float[count];
        long nonZero = 0;
        for (var i = 0; i < count; i++)
        {
            double mean = 0, variance = 0;
            foreach (var change in changes)
                mean += change[i];
            mean /= changes.Length;
            foreach (var change in changes)
                variance += (change[i] - mean) * (change[i] - mean);
            variances[i] = (float)(variance / changes.Length);
            nonZero += variances[i] != 0 ? 1 : 0;
        }

        var selected = OrderStatistics.Select(variances, RandomMask.KeptCount(topK, nonZero), largest: true);
        for (var i = 0; i < count; i++)
        {
            if ((selected[i / 64] >> (i % 64) & 1) == 0)
            {
                foreach (var change in changes)
                    change[i] = 0;
            }
        }
    }

    private static void Erase(ReadOnlySpan<float> @base, float[][] changes, double[] weights, Span<float> result)
    {
        for (var i = 0; i < result.Length; i++)
        {
            float sum = 0;
            foreach (var change in changes)
                sum += change[i];
            double merged = 0, divisor = 0;
            for (var m = 0; m < changes.Length; m++)
            {
                var change = changes[m][i];
                if (change != 0 && change > 0 == sum >= 0)
                {
                    merged += weights[m] * change;
                    divisor += weights[m];
                }
            }

            result[i] = @base[i] + (float)(merged / Math.Max(divisor, 1e-6));
        }
    }
}
