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

    private static bool SumInBlocks<TX, TY>(ReadOnlySpan<byte> xs, ReadOnlySpan<byte> ys, int columns, out double sum)
        where TX : IElement
        where TY : IElement
    {
        const int Block = Lanes * StepsPerBlock;
        var end = Begin<TX, TY>(xs, ys, columns, Lanes, out sum);
        ref readonly var x = ref MemoryMarshal.GetReference(xs);
        ref readonly var y = ref MemoryMarshal.GetReference(ys);
        if (Vector512.IsHardwareAccelerated)
        {
            Vector512<double> s0 = default, s1 = default;
            for (var start = 0; start < end; start += Block)
            {
                Vector512<float> block = default;
                for (var at = start; at < Math.Min(end, start + Block); at += Lanes)
                {
                    var difference = TX.Load512(in x, at) - TY.Load512(in y, at);
                    block = Vector512.FusedMultiplyAdd(difference, difference, block);
                }

                Add(block, ref s0, ref s1);
            }

            sum += Total(s0, s1);
        }
        else
        {
            Vector256<double> s0 = default, s1 = default, s2 = default, s3 = default;
            for (var start = 0; start < end; start += Block)
            {
                Vector256<float> lower = default, upper = default;
                for (var at = start; at < Math.Min(end, start + Block); at += Lanes)
                {
                    var a = TX.Load256(in x, at) - TY.Load256(in y, at);
                    var b = TX.Load256(in x, at + 8) - TY.Load256(in y, at + 8);
                    lower = Vector256.FusedMultiplyAdd(a, a, lower);
                    upper = Vector256.FusedMultiplyAdd(b, b, upper);
                }

                Add(lower, ref s0, ref s1);
                Add(upper, ref s2, ref s3);
            }

            sum += Total(s0, s1, s2, s3);
        }

        return IsSure(sum, xs, ys);
    }

    // Two steps at a time, of the elements with even and with odd numbers.
    private static bool SumPairs<T>(ReadOnlySpan<byte> xs, ReadOnlySpan<byte> ys, int columns, out double sum)
        where T : IHalf
    {
        const int Block = 2 * Lanes * StepsPerBlock;
        var end = Begin<T, T>(xs, ys, columns, 2 * Lanes, out sum);
        ref var x = ref MemoryMarshal.GetReference(xs);
        ref var y = ref MemoryMarshal.GetReference(ys);
        if (Vector512.IsHardwareAccelerated)
        {
            Vector512<double> s0 = default, s1 = default;
            for (var start = 0; start < end; start += Block)
            {
                Vector512<float> even = default, odd = default;
                for (var at = start; at < Math.Min(end, start + Block); at += 2 * Lanes)
                {
                    var a = T.Split(Unsafe.ReadUnaligned<Vector512<uint>>(in Unsafe.Add(ref x, at * 2)));
                    var b = T.Split(Unsafe.ReadUnaligned<Vector512<uint>>(in Unsafe.Add(ref y, at * 2)));
                    var (first, second) = (a.Even - b.Even, a.Odd - b.Odd);
                    even = Vector512.FusedMultiplyAdd(first, first, even);
                    odd = Vector512.FusedMultiplyAdd(second, second, odd);
                }

                Add(even + odd, ref s0, ref s1);
            }

            sum += Total(s0, s1);
        }
        else
        {
            Vector256<double> s0 = default, s1 = default, s2 = default, s3 = default;
            for (var start = 0; start < end; start += Block)
            {
                Vector256<float> even0 = default, odd0 = default, even1 = default, odd1 = default;
                for (var at = start; at < Math.Min(end, start + Block); at += 2 * Lanes)
                {
                    AddPairs<T>(in Unsafe.Add(ref x, at * 2), in Unsafe.Add(ref y, at * 2), ref even0, ref odd0);
                    AddPairs<T>(in Unsafe.Add(ref x, (at + Lanes) * 2), in Unsafe.Add(ref y, (at + Lanes) * 2), ref even1, ref odd1);
                }

                Add(even0 + odd0, ref s0, ref s1);
                Add(even1 + odd1, ref s2, ref s3);
            }

            sum += Total(s0, s1, s2, s3);
        }

        return IsSure(sum, xs, ys);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddPairs<T>(ref readonly byte x, ref readonly byte y, ref Vector256<float> even, ref Vector256<float> odd)
        where T : IHalf
    {
        var a = T.Split(Unsafe.ReadUnaligned<Vector256<uint>>(in x));
        var b = T.Split(Unsafe.ReadUnaligned<Vector256<uint>>(in y));
        var (first, second) = (a.Even - b.Even, a.Odd - b.Odd);
        even = Vector256.FusedMultiplyAdd(first, first, even);
        odd = Vector256.FusedMultiplyAdd(second, second, odd);
    }
}
