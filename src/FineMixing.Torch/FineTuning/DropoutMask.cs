using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using FineMixing.Mixing;

namespace FineMixing.Torch.FineTuning;

/// <summary>Masks of inverted dropout: 0 with the given probability, else 1 / (1 - probability), decided by a key and the element's position.</summary>
/// <remarks>Element i takes the 16-bit piece i % 4 of the SplitMix64 hash (Steele, Lea &amp; Flood 2014) of key and counter i / 4, sixteen elements at a time.</remarks>
internal static class DropoutMask
{
    private const int Block = 16;
    private const ulong Gamma = 0x9E3779B97F4A7C15UL;

    /// <summary>Fills a bfloat16 mask.</summary>
    public static void Fill(Span<ushort> mask, ulong key, double probability)
    {
        var kept = Vector256.Create(Checkpoints.FloatConversion.ToBFloat16((float)(1 / (1 - probability))));
        var threshold = Vector256.Create(Threshold(probability));
        var counter = First(key);
        var blocks = MemoryMarshal.Cast<ushort, Vector256<ushort>>(mask);
        for (var i = 0; i < blocks.Length; i++)
            blocks[i] = Vector256.GreaterThanOrEqual(Next(ref counter), threshold) & kept;
        Span<ushort> last = stackalloc ushort[Block];
        (Vector256.GreaterThanOrEqual(Next(ref counter), threshold) & kept).CopyTo(last);
        var rest = mask[(blocks.Length * Block)..];
        last[..rest.Length].CopyTo(rest);
    }

    /// <summary>Fills a single-precision mask with the same elements at zero.</summary>
    public static void Fill(Span<float> mask, ulong key, double probability)
    {
        var kept = Vector256.Create((float)(1 / (1 - probability))).AsInt32();
        var threshold = Vector256.Create(Threshold(probability));
        var counter = First(key);
        var halves = MemoryMarshal.Cast<float, Vector256<int>>(mask[..(mask.Length / Block * Block)]);
        for (var i = 0; i < halves.Length; i += 2)
        {
            var (lower, upper) = Vector256.Widen(Vector256.GreaterThanOrEqual(Next(ref counter), threshold).AsInt16());
            (halves[i], halves[i + 1]) = (lower & kept, upper & kept);
        }

        Span<ushort> last = stackalloc ushort[Block];
        Vector256.GreaterThanOrEqual(Next(ref counter), threshold).CopyTo(last);
        var rest = mask[(halves.Length / 2 * Block)..];
        for (var i = 0; i < rest.Length; i++)
            rest[i] = last[i] == 0 ? 0 : kept.AsSingle()[0];
    }

    private static ushort Threshold(double probability) => (ushort)Math.Min(65535, Math.Round(probability * 65536));

    private static Vector256<ulong> First(ulong key) => Vector256.Create(key) + Vector256.Create(0, Gamma, unchecked(2 * Gamma), unchecked(3 * Gamma));

    // Sixteen random 16-bit numbers.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> Next(ref Vector256<ulong> counter)
    {
        var bits = MaskKernels.Bits(counter);
        counter += Vector256.Create(unchecked(4 * Gamma));
        return bits;
    }
}
