using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using FineMixing.Checkpoints;

namespace FineMixing.Purification;

/// <summary>Faster sums for unscaled rows of the usual types: which there are, when one may be trusted, and what they share.</summary>
internal static partial class EmbeddingDrift
{
    // Smaller sums, and those that are not finite, may have left the range of single precision.
    private const double Smallest = 1e-24;

    private delegate bool FastSum(ReadOnlySpan<byte> x, ReadOnlySpan<byte> y, int columns, out double sum);

    private static FastSum? ChooseFast(DType x, DType y) => (x, y) switch
    {
        (DType.F32, DType.F32) => SumSingles,
        (DType.BF16, DType.BF16) => SumPairs<BF16>,
        (DType.BF16, DType.F16) => SumInBlocks<BF16, F16>,
        (DType.F16, DType.BF16) => SumInBlocks<F16, BF16>,
        (DType.F16, DType.F16) => SumPairs<F16>,
        _ => null,
    };

    // Where the whole blocks end; what comes after them is added up plainly.
    private static int Begin<TX, TY>(ReadOnlySpan<byte> xs, ReadOnlySpan<byte> ys, int columns, int block, out double rest)
        where TX : IElement
        where TY : IElement
    {
        if (xs.Length < columns * TX.Size || ys.Length < columns * TY.Size)
            throw new ArgumentException("A row is shorter than the number of columns.", nameof(xs));
        var end = columns - (columns % block);
        rest = end == columns ? 0 : Sum<TX, TY>(xs[(end * TX.Size)..], ys[(end * TY.Size)..], columns - end, 1);
        return end;
    }

    private static bool IsSure(double sum, ReadOnlySpan<byte> xs, ReadOnlySpan<byte> ys) => (sum >= Smallest && double.IsFinite(sum)) || (sum == 0 && xs.SequenceEqual(ys));

    // The sixteen sums in double precision are two or four vectors: plain variables, which stay in registers (as fields of a structure they would go to memory and back at each step).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(Vector512<float> block, ref Vector512<double> s0, ref Vector512<double> s1)
    {
        var (lower, upper) = Vector512.Widen(block);
        s0 += lower;
        s1 += upper;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(Vector256<float> block, ref Vector256<double> s0, ref Vector256<double> s1)
    {
        var (lower, upper) = Vector256.Widen(block);
        s0 += lower;
        s1 += upper;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddSquares(Vector512<float> values, ref Vector512<double> s0, ref Vector512<double> s1)
    {
        var (lower, upper) = Vector512.Widen(values);
        s0 = Vector512.FusedMultiplyAdd(lower, lower, s0);
        s1 = Vector512.FusedMultiplyAdd(upper, upper, s1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddSquares(Vector256<float> values, ref Vector256<double> s0, ref Vector256<double> s1)
    {
        var (lower, upper) = Vector256.Widen(values);
        s0 = Vector256.FusedMultiplyAdd(lower, lower, s0);
        s1 = Vector256.FusedMultiplyAdd(upper, upper, s1);
    }

    private static double Total(Vector512<double> s0, Vector512<double> s1)
    {
        Span<double> sums = stackalloc double[Lanes];
        s0.CopyTo(sums);
        s1.CopyTo(sums[8..]);
        return Total(sums);
    }

    private static double Total(Vector256<double> s0, Vector256<double> s1, Vector256<double> s2, Vector256<double> s3)
    {
        Span<double> sums = stackalloc double[Lanes];
        s0.CopyTo(sums);
        s1.CopyTo(sums[4..]);
        s2.CopyTo(sums[8..]);
        s3.CopyTo(sums[12..]);
        return Total(sums);
    }

    // In order.
    private static double Total(ReadOnlySpan<double> sums)
    {
        double sum = 0;
        foreach (var lane in sums)
            sum += lane;
        return sum;
    }
}
