using System.Numerics.Tensors;

namespace FineMixing.Mixing.Mixers;

/// <summary>Arcee Fusion: takes over the suspect's most important changes, by a threshold from the distribution of importance.</summary>
/// <remarks>
/// Importance of an element: |w_B - w_Pre| times the Kullback-Leibler divergence between softmax(row of w_B) and softmax(row of w_Pre), each plus 1e-8. Elements of importance
/// at least median + 1.5 * (third - first quartile) take the suspect's value. Quartiles are elements of the sorted importances at index floor(q * (n - 1)), of all elements.
/// </remarks>
public sealed class ArceeFusionMixer : ArithmeticMixer
{
    private const float Epsilon = 1e-8f;

    /// <summary>Has no parameters.</summary>
    public ArceeFusionMixer()
        : base("arcee-fusion", "Arcee Fusion", Citations.ArceeFusion)
    {
    }

    /// <inheritdoc/>
    public override MixerInputs Inputs { get; } = new(UsesBase: true, 0, 0);

    /// <inheritdoc/>
    public override bool NeedsWholeTensors => true;

    /// <inheritdoc/>
    public override bool UsesReserveRatio => false;

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

    // The divergences of fine-tuned models are so small (1e-5) that the rounding of the softmax decides about the elements next to the threshold. So that the same elements are taken over as by the
    // published implementation, the softmax is calculated as there: single precision, sums in 16 lanes that are then folded in halves, and a reciprocal.
    private static double Divergence(ReadOnlySpan<float> suspect, ReadOnlySpan<float> @base)
    {
        var p = Softmax(suspect);
        var q = Softmax(@base);
        double divergence = 0;
        for (var i = 0; i < p.Length; i++)
            divergence += p[i] * Math.Log(p[i] / q[i]);
        return divergence;
    }

    private static float[] Softmax(ReadOnlySpan<float> row)
    {
        const int Lanes = 16;
        Span<float> sums = stackalloc float[Lanes];
        var max = TensorPrimitives.Max(row);
        var result = new float[row.Length];
        for (var i = 0; i < row.Length; i++)
        {
            result[i] = Exp(row[i] - max);
            sums[i % Lanes] += result[i];
        }

        for (var half = Lanes / 2; half > 0; half /= 2)
        {
            for (var i = 0; i < half; i++)
                sums[i] += sums[i + half];
        }

        var reciprocal = 1 / sums[0];
        for (var i = 0; i < result.Length; i++)
        {
            result[i] *= reciprocal;
            result[i] += Epsilon;
        }

        return result;
    }

    // exp(x) = 2^n exp(s) with |s| <= ln(2) / 2 and a polynomial of degree 6, correct to one unit in the last place; constants of SLEEF
    // (Shibata, Petrogalli: SLEEF: A Portable Vectorized Library of C Standard Mathematical Functions. IEEE TPDS 31, 2020).
    private static float Exp(float x)
    {
        if (x < -87)
            return 0;
        var n = MathF.Round(x * 1.442695040888963407f);
        var s = MathF.FusedMultiplyAdd(-n, 0.693145751953125f, x);
        s = MathF.FusedMultiplyAdd(-n, 1.428606765330187045e-06f, s);
        var u = 0.000198527617612853646278381f;
        u = MathF.FusedMultiplyAdd(u, s, 0.00139304355252534151077271f);
        u = MathF.FusedMultiplyAdd(u, s, 0.00833336077630519866943359f);
        u = MathF.FusedMultiplyAdd(u, s, 0.0416664853692054748535156f);
        u = MathF.FusedMultiplyAdd(u, s, 0.166666671633720397949219f);
        u = MathF.FusedMultiplyAdd(u, s, 0.5f);
        return MathF.ScaleB(1 + MathF.FusedMultiplyAdd(s * s, u, s), (int)n);
    }
}
