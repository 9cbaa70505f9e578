using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace FineMixing.Purification;

/// <summary>The same sums where both rows are in single precision and unscaled: the difference is taken before it is widened, since widening is what takes the time.</summary>
/// <remarks>
/// A difference is off by 6e-8 of itself at most, and exact between numbers within a factor of two of each other, as nearly all weights are before and after fine-tuning; its square is exact in double precision.
/// So the sum is within 1.2e-7 of the plain one (relative), and the same bit for bit for every vector width.
/// </remarks>
internal static partial class EmbeddingDrift
{
    private static bool SumSingles(ReadOnlySpan<byte> xs, ReadOnlySpan<byte> ys, int columns, out double sum)
    {
        var end = Begin<F32, F32>(xs, ys, columns, Lanes, out sum);
        ref var x = ref Unsafe.As<byte, float>(ref MemoryMarshal.GetReference(xs));
        ref var y = ref Unsafe.As<byte, float>(ref MemoryMarshal.GetReference(ys));
        if (Vector512.IsHardwareAccelerated)
        {
            Vector512<double> s0 = default, s1 = default;
            for (var at = 0; at < end; at += Lanes)
                AddSquares(Vector512.LoadUnsafe(ref x, (nuint)at) - Vector512.LoadUnsafe(ref y, (nuint)at), ref s0, ref s1);
            sum += Total(s0, s1);
        }
        else
        {
            Vector256<double> s0 = default, s1 = default, s2 = default, s3 = default;
            for (var at = 0; at < end; at += Lanes)
            {
                AddSquares(Vector256.LoadUnsafe(ref x, (nuint)at) - Vector256.LoadUnsafe(ref y, (nuint)at), ref s0, ref s1);
                AddSquares(Vector256.LoadUnsafe(ref x, (nuint)at + 8) - Vector256.LoadUnsafe(ref y, (nuint)at + 8), ref s2, ref s3);
            }

            sum += Total(s0, s1, s2, s3);
        }

        return IsSure(sum, xs, ys);
    }
}
