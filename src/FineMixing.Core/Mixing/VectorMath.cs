using System.Numerics;
using System.Numerics.Tensors;

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
}
