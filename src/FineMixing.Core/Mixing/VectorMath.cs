using System.Numerics.Tensors;
using FineMixing.Mixing.Mixers;

namespace FineMixing.Mixing;

/// <summary>Sums over many single-precision numbers, accumulated in double precision in a fixed order.</summary>
internal static class VectorMath
{
    private const int Block = 1024;

    public static double Dot(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        Span<double> a = stackalloc double[Block];
        Span<double> b = stackalloc double[Block];
        double sum = 0;
        for (var i = 0; i < x.Length; i += Block)
        {
            var n = Math.Min(Block, x.Length - i);
            TensorPrimitives.ConvertTruncating(x.Slice(i, n), a);
            TensorPrimitives.ConvertTruncating(y.Slice(i, n), b);
            sum += TensorPrimitives.Dot<double>(a[..n], b[..n]);
        }

        return sum;
    }

    public static double SumOfSquares(ReadOnlySpan<float> x) => Dot(x, x);

    /// <summary>The cosine of the angle between two vectors; 0 when one of them is 0.</summary>
    public static double Cosine(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        var norms = Math.Sqrt(SumOfSquares(x)) * Math.Sqrt(SumOfSquares(y));
        return norms == 0 ? 0 : Math.Clamp(Dot(x, y) / norms, -1, 1);
    }

    /// <summary>The sum of all models but the base, each times its factor; models with the factor 0 are left out.</summary>
    public static void Combine(ArithmeticInputs inputs, double[] factors, Span<float> result)
    {
        result.Clear();
        for (var m = 0; m < factors.Length; m++)
        {
            if (factors[m] != 0)
                TensorPrimitives.MultiplyAdd(inputs.Model(m), (float)factors[m], result, result);
        }
    }

    /// <summary>The inner products of all models with each other.</summary>
    public static double[,] Gram(ArithmeticInputs inputs)
    {
        var n = inputs.ModelCount;
        var gram = new double[n, n];
        for (var i = 0; i < n; i++)
        {
            for (var j = i; j < n; j++)
                gram[i, j] = gram[j, i] = Dot(inputs.Model(i), inputs.Model(j));
        }

        return gram;
    }
}
