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
        (DType.BF16, DType.BF16) => SumPairs,
        (DType.BF16, DType.F16) => SumInBlocks<BF16, F16>,
        (DType.F16, DType.BF16) => SumInBlocks<F16, BF16>,
        (DType.F16, DType.F16) => SumInBlocks<F16, F16>,
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

    // Sixteen sums in double precision.
    private struct DoubleSums
    {
        private Vector512<double> _lower, _upper;
        private Vector256<double> _s0, _s1, _s2, _s3;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(Vector512<float> block)
        {
            var (lower, upper) = Vector512.Widen(block);
            _lower += lower;
            _upper += upper;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(Vector256<float> first, Vector256<float> second)
        {
            var (lower, upper) = Vector256.Widen(first);
            _s0 += lower;
            _s1 += upper;
            (lower, upper) = Vector256.Widen(second);
            _s2 += lower;
            _s3 += upper;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void AddSquares(Vector512<float> values)
        {
            var (lower, upper) = Vector512.Widen(values);
            _lower = Vector512.FusedMultiplyAdd(lower, lower, _lower);
            _upper = Vector512.FusedMultiplyAdd(upper, upper, _upper);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void AddSquares(Vector256<float> first, Vector256<float> second)
        {
            var (lower, upper) = Vector256.Widen(first);
            _s0 = Vector256.FusedMultiplyAdd(lower, lower, _s0);
            _s1 = Vector256.FusedMultiplyAdd(upper, upper, _s1);
            (lower, upper) = Vector256.Widen(second);
            _s2 = Vector256.FusedMultiplyAdd(lower, lower, _s2);
            _s3 = Vector256.FusedMultiplyAdd(upper, upper, _s3);
        }

        public readonly double Total()
        {
            Span<double> sums = stackalloc double[Lanes];
            if (Vector512.IsHardwareAccelerated)
            {
                _lower.CopyTo(sums);
                _upper.CopyTo(sums[8..]);
            }
            else
            {
                _s0.CopyTo(sums);
                _s1.CopyTo(sums[4..]);
                _s2.CopyTo(sums[8..]);
                _s3.CopyTo(sums[12..]);
            }

            double sum = 0;
            foreach (var lane in sums)
                sum += lane;
            return sum;
        }
    }
}
