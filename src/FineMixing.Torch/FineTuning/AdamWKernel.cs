using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FineMixing.Torch.FineTuning;

/// <summary>The numbers of one AdamW step (Loshchilov &amp; Hutter 2019, arXiv 1711.05101).</summary>
/// <param name="Rate">Learning rate over the first bias correction.</param>
/// <param name="Decay">Factor that decoupled weight decay applies: 1 - learning rate * weight decay.</param>
/// <param name="SecondCorrection">Square root of the second bias correction.</param>
/// <param name="GradientScale">What gradients are multiplied with (clipping).</param>
internal readonly record struct AdamWStep(float Rate, float Decay, float SecondCorrection, float GradientScale)
{
    public const float Beta1 = 0.9f;
    public const float Beta2 = 0.999f;
    public const float Epsilon = 1e-8f;

    public static AdamWStep At(int step, double learningRate, double weightDecay, double gradientScale) => new(
        (float)(learningRate / (1 - Math.Pow(Beta1Exact, step))),
        (float)(1 - (learningRate * weightDecay)),
        (float)Math.Sqrt(1 - Math.Pow(Beta2Exact, step)),
        (float)gradientScale);

    private const double Beta1Exact = 0.9;
    private const double Beta2Exact = 0.999;
}

/// <summary>AdamW over raw memory: one pass reads the gradient and updates weight and both moments, and writes the bfloat16 copy.</summary>
internal static unsafe class AdamWKernel
{
    /// <summary>Updates <paramref name="count"/> weights in place.</summary>
    /// <param name="weight">Master weights.</param>
    /// <param name="first">First moments.</param>
    /// <param name="second">Second moments.</param>
    /// <param name="gradient">Single precision, or bfloat16 when <paramref name="lowGradient"/>; null for a zero gradient.</param>
    /// <param name="secondGradient">Added to it, of the same type; or null.</param>
    /// <param name="lowGradient">The gradients' type.</param>
    /// <param name="low">Receives the rounded weights, or null.</param>
    /// <param name="count">Elements.</param>
    /// <param name="step">The step's numbers.</param>
    public static void Update(float* weight, float* first, float* second, void* gradient, void* secondGradient, bool lowGradient, ushort* low, long count, in AdamWStep step)
    {
        var (rate, decay, correction, scale) = (Vector512.Create(step.Rate), Vector512.Create(step.Decay), Vector512.Create(1 / step.SecondCorrection), Vector512.Create(step.GradientScale));
        var (keep1, new1) = (Vector512.Create(AdamWStep.Beta1), Vector512.Create(1 - AdamWStep.Beta1));
        var (keep2, new2) = (Vector512.Create(AdamWStep.Beta2), Vector512.Create((float)(1 - 0.999)));
        var epsilon = Vector512.Create(AdamWStep.Epsilon);
        long i = 0;
        for (; i + 16 <= count; i += 16)
        {
            var g = gradient == null ? Vector512<float>.Zero : Load(gradient, lowGradient, i);
            if (secondGradient != null)
                g += Load(secondGradient, lowGradient, i);
            g *= scale;
            var m = (Vector512.Load(first + i) * keep1) + (g * new1);
            var v = (Vector512.Load(second + i) * keep2) + (g * g * new2);
            m.Store(first + i);
            v.Store(second + i);
            var w = (Vector512.Load(weight + i) * decay) - (rate * m / ((Vector512.Sqrt(v) * correction) + epsilon));
            w.Store(weight + i);
            if (low != null)
                Narrow(w).Store(low + i);
        }

        for (; i < count; i++)
        {
            var g = ((gradient == null ? 0 : One(gradient, lowGradient, i)) + (secondGradient == null ? 0 : One(secondGradient, lowGradient, i))) * step.GradientScale;
            first[i] = (first[i] * AdamWStep.Beta1) + (g * (1 - AdamWStep.Beta1));
            second[i] = (second[i] * AdamWStep.Beta2) + (g * g * (float)(1 - 0.999));
            weight[i] = (weight[i] * step.Decay) - (step.Rate * first[i] / ((MathF.Sqrt(second[i]) * (1 / step.SecondCorrection)) + AdamWStep.Epsilon));
            if (low != null)
                low[i] = Checkpoints.FloatConversion.ToBFloat16(weight[i]);
        }
    }

    /// <summary>The sum of squares of a gradient, or of the sum of two; NaN or infinite when the gradient is.</summary>
    public static double SumOfSquares(void* gradient, void* secondGradient, bool lowGradient, long count)
    {
        var (a, b) = (Vector512<float>.Zero, Vector512<float>.Zero);
        long i = 0;
        for (; i + 32 <= count; i += 32)
        {
            var (g, h) = (Load(gradient, lowGradient, i), Load(gradient, lowGradient, i + 16));
            if (secondGradient != null)
                (g, h) = (g + Load(secondGradient, lowGradient, i), h + Load(secondGradient, lowGradient, i + 16));
            a += g * g;
            b += h * h;
        }

        double sum = Vector512.Sum(a + b);
        for (; i < count; i++)
        {
            double g = One(gradient, lowGradient, i) + (secondGradient == null ? 0 : One(secondGradient, lowGradient, i));
            sum += g * g;
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Load(void* values, bool low, long i) => low ? Widen((ushort*)values + i) : Vector512.Load((float*)values + i);

    private static float One(void* values, bool low, long i) => low ? BitConverter.UInt32BitsToSingle((uint)((ushort*)values)[i] << 16) : ((float*)values)[i];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Widen(ushort* source)
    {
        var (lower, upper) = Vector256.Widen(Vector256.Load(source));
        return (Vector512.Create(lower, upper) << 16).AsSingle();
    }

    // Nearest, ties to even. Weights are finite here: a gradient that is not stops training before.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> Narrow(Vector512<float> value)
    {
        var bits = value.AsUInt32();
        var rounded = (bits + Vector512.Create(0x7FFFu) + ((bits >>> 16) & Vector512<uint>.One)) >>> 16;
        return Vector256.Narrow(rounded.GetLower(), rounded.GetUpper());
    }
}
