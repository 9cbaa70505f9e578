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
}
