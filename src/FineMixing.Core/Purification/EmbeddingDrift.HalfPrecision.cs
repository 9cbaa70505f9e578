using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using FineMixing.Checkpoints;

namespace FineMixing.Purification;

/// <summary>The same sums where both rows are in half precision: there widening every element to double precision would take longer than reading it.</summary>
/// <remarks>
/// Squares of a few steps are added up in single precision, with fused operations, before they go to the double-precision sums: within 1e-6 of the plain sum, and the same bit for bit for every vector width.
/// </remarks>
internal static partial class EmbeddingDrift
{
    private const int StepsPerBlock = 8;

    // Smaller sums, and those that are not finite, may have left the range of single precision.
    private const double Smallest = 1e-24;

    private delegate bool BlockSum(ReadOnlySpan<byte> x, ReadOnlySpan<byte> y, int columns, out double sum);

    private static BlockSum? ChooseInBlocks(DType x, DType y) => (x, y) switch
    {
        (DType.F32, DType.F32) => SumSingles,
        (DType.BF16, DType.BF16) => SumPairs,
        (DType.BF16, DType.F16) => SumInBlocks<BF16, F16>,
        (DType.F16, DType.BF16) => SumInBlocks<F16, BF16>,
        (DType.F16, DType.F16) => SumInBlocks<F16, F16>,
        _ => null,
    };

    private static bool SumInBlocks<TX, TY>(ReadOnlySpan<byte> xs, ReadOnlySpan<byte> ys, int columns, out double sum)
        where TX : IElement
        where TY : IElement
    {
        const int Block = Lanes * StepsPerBlock;
        var end = Begin<TX, TY>(xs, ys, columns, Block, out sum);
        ref readonly var x = ref MemoryMarshal.GetReference(xs);
        ref readonly var y = ref MemoryMarshal.GetReference(ys);
        var sums = new DoubleSums();
        for (var start = 0; start < end; start += Block)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                Vector512<float> block = default;
                for (var at = start; at < start + Block; at += Lanes)
                {
                    var difference = TX.Load512(in x, at) - TY.Load512(in y, at);
                    block = Vector512.FusedMultiplyAdd(difference, difference, block);
                }

                sums.Add(block);
            }
            else
            {
                Vector256<float> lower = default, upper = default;
                for (var at = start; at < start + Block; at += Lanes)
                {
                    var a = TX.Load256(in x, at) - TY.Load256(in y, at);
                    var b = TX.Load256(in x, at + 8) - TY.Load256(in y, at + 8);
                    lower = Vector256.FusedMultiplyAdd(a, a, lower);
                    upper = Vector256.FusedMultiplyAdd(b, b, upper);
                }

                sums.Add(lower, upper);
            }
        }

        sum += sums.Total();
        return IsSure(sum, xs, ys);
    }

    // Two bfloat16 numbers lie in 32 bits: the upper one is a single-precision number but for the lower bits, the lower one after a shift. No shuffle is needed.
    private static bool SumPairs(ReadOnlySpan<byte> xs, ReadOnlySpan<byte> ys, int columns, out double sum)
    {
        const int Block = 2 * Lanes * StepsPerBlock;
        var end = Begin<BF16, BF16>(xs, ys, columns, Block, out sum);
        ref var x = ref MemoryMarshal.GetReference(xs);
        ref var y = ref MemoryMarshal.GetReference(ys);
        var sums = new DoubleSums();
        for (var start = 0; start < end; start += Block)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                Vector512<float> even = default, odd = default;
                for (var at = start; at < start + Block; at += 2 * Lanes)
                {
                    var a = Unsafe.ReadUnaligned<Vector512<uint>>(in Unsafe.Add(ref x, at * 2));
                    var b = Unsafe.ReadUnaligned<Vector512<uint>>(in Unsafe.Add(ref y, at * 2));
                    var first = (a << 16).AsSingle() - (b << 16).AsSingle();
                    var second = (a & Vector512.Create(0xFFFF0000u)).AsSingle() - (b & Vector512.Create(0xFFFF0000u)).AsSingle();
                    even = Vector512.FusedMultiplyAdd(first, first, even);
                    odd = Vector512.FusedMultiplyAdd(second, second, odd);
                }

                sums.Add(even + odd);
            }
            else
            {
                Vector256<float> even0 = default, odd0 = default, even1 = default, odd1 = default;
                for (var at = start; at < start + Block; at += 2 * Lanes)
                {
                    Squares(in Unsafe.Add(ref x, at * 2), in Unsafe.Add(ref y, at * 2), ref even0, ref odd0);
                    Squares(in Unsafe.Add(ref x, (at + Lanes) * 2), in Unsafe.Add(ref y, (at + Lanes) * 2), ref even1, ref odd1);
                }

                sums.Add(even0 + odd0, even1 + odd1);
            }
        }

        sum += sums.Total();
        return IsSure(sum, xs, ys);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Squares(ref readonly byte x, ref readonly byte y, ref Vector256<float> even, ref Vector256<float> odd)
    {
        var a = Unsafe.ReadUnaligned<Vector256<uint>>(in x);
        var b = Unsafe.ReadUnaligned<Vector256<uint>>(in y);
        var first = (a << 16).AsSingle() - (b << 16).AsSingle();
        var second = (a & Vector256.Create(0xFFFF0000u)).AsSingle() - (b & Vector256.Create(0xFFFF0000u)).AsSingle();
        even = Vector256.FusedMultiplyAdd(first, first, even);
        odd = Vector256.FusedMultiplyAdd(second, second, odd);
    }

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
