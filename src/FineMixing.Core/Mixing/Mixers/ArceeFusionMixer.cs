using System.Numerics.Tensors;

namespace FineMixing.Mixing.Mixers;

/// <summary>Arcee Fusion: takes over the suspect's most important changes, by a threshold from the distribution of importance.</summary>
/// <remarks>
/// Importance of an element: |w_B - w_Pre| times the Kullback-Leibler divergence between softmax(row of w_B) and softmax(row of w_Pre), each plus 1e-8. Elements of importance
/// at least median + 1.5 * (third - first quartile) take the suspect's value. Quartiles are elements of the sorted importances at index floor(q * (n - 1)), of all elements.
/// </remarks>
public sealed class ArceeFusionMixer : ArithmeticMixer
{
    private const double Epsilon = 1e-8;

    /// <summary>Has no parameters.</summary>
    public ArceeFusionMixer()
        : base("arcee-fusion", "Arcee Fusion", Citations.ArceeFusion)
    {
    }

    /// <inheritdoc/>
    public override MixerInputs Inputs { get; } = new(UsesBase: true, 0, 0);

    /// <inheritdoc/>
    public override bool NeedsWholeTensors => true;

    private protected override ArithmeticTensorMixer.Combine For(TensorMixContext context)
    {
        var length = context.Tensor.Shape.Length == 0 ? 1 : (int)context.Tensor.Shape[^1];
        return (_, inputs, result) => Combine(inputs.Suspect.Span, inputs.Base.Span, length, result);
    }

    private static void Combine(ReadOnlySpan<float> suspect, ReadOnlySpan<float> @base, int length, Span<float> result)
    {
        var importance = GC.AllocateUninitializedArray<float>(result.Length);
        for (var start = 0; start < result.Length; start += length)
        {
            var divergence = Divergence(suspect.Slice(start, length), @base.Slice(start, length));
            for (var i = start; i < start + length; i++)
                importance[i] = (float)(Math.Abs(suspect[i] - @base[i]) * divergence);
        }

        var sorted = (float[])importance.Clone();
        Array.Sort(sorted);
        float Quantile(double q) => sorted[(int)(q * (sorted.Length - 1))];
        var threshold = Quantile(0.5) + (1.5f * (Quantile(0.75) - Quantile(0.25)));
        for (var i = 0; i < result.Length; i++)
            result[i] = importance[i] >= threshold ? suspect[i] : @base[i];
    }

    private static double Divergence(ReadOnlySpan<float> suspect, ReadOnlySpan<float> @base)
    {
        var (maxP, maxQ) = ((double)TensorPrimitives.Max(suspect), (double)TensorPrimitives.Max(@base));
        double sumP = 0, sumQ = 0;
        for (var i = 0; i < suspect.Length; i++)
        {
            sumP += Math.Exp(suspect[i] - maxP);
            sumQ += Math.Exp(@base[i] - maxQ);
        }

        double divergence = 0;
        for (var i = 0; i < suspect.Length; i++)
        {
            var p = (Math.Exp(suspect[i] - maxP) / sumP) + Epsilon;
            var q = (Math.Exp(@base[i] - maxQ) / sumQ) + Epsilon;
            divergence += p * Math.Log(p / q);
        }

        return divergence;
    }
}
