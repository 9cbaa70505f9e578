using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.FineTuning;

/// <summary>Seeded dropout: inverted scaling, masks decided by (seed, step, place, element), so the same for any number of threads.</summary>
/// <remarks>libtorch's CPU dropout draws from one serial generator and costs a third of a training step; hashing a counter costs next to nothing. On other devices the library's own is used.</remarks>
internal sealed class DropoutSource(ulong seed, double? replacement)
{
    private ulong _state;

    /// <summary>Starts the masks of one pass.</summary>
    public void Begin(int step, int part) => _state = Mix(seed + (0x9E3779B97F4A7C15UL * (ulong)(uint)step) + ((ulong)(uint)part << 40));

    /// <summary>Zeroes each element with the given probability and scales the others up.</summary>
    public Tensor Apply(Tensor x, double probability)
    {
        probability = replacement ?? probability;
        if (probability == 0)
            return x;
        if (x.device.type != DeviceType.CPU)
            return nn.functional.dropout(x, probability, training: true);
        _state = Mix(_state + 0x9E3779B97F4A7C15UL);
        var mask = empty(x.shape, dtype: x.dtype);
        var bytes = mask.bytes;
        if (x.dtype == ScalarType.BFloat16)
            Fill(MemoryMarshal.Cast<byte, ushort>(bytes), _state, probability);
        else
            Fill(MemoryMarshal.Cast<byte, float>(bytes), _state, probability);
        return x * mask;
    }

    internal static void Fill(Span<ushort> mask, ulong key, double probability)
    {
        var kept = Checkpoints.FloatConversion.ToBFloat16((float)(1 / (1 - probability)));
        var threshold = Vector512.Create(Threshold(probability));
        var scale = Vector512.Create(kept);
        var vectors = MemoryMarshal.Cast<ushort, Vector512<ushort>>(mask);
        for (var i = 0; i < vectors.Length; i++)
            vectors[i] = Vector512.GreaterThanOrEqual(Random(key, (ulong)i), threshold) & scale;
        Span<ushort> rest = stackalloc ushort[32];
        var tail = mask[(vectors.Length * 32)..];
        MemoryMarshal.Cast<ushort, Vector512<ushort>>(rest)[0] = Vector512.GreaterThanOrEqual(Random(key, (ulong)vectors.Length), threshold) & scale;
        rest[..tail.Length].CopyTo(tail);
    }

    internal static void Fill(Span<float> mask, ulong key, double probability)
    {
        var kept = (float)(1 / (1 - probability));
        var threshold = Threshold(probability);
        Span<ushort> random = stackalloc ushort[32];
        for (var i = 0; i < mask.Length; i += 32)
        {
            MemoryMarshal.Cast<ushort, Vector512<ushort>>(random)[0] = Random(key, (ulong)(i / 32));
            for (var j = 0; j < Math.Min(32, mask.Length - i); j++)
                mask[i + j] = random[j] >= threshold ? kept : 0;
        }
    }

    private static ushort Threshold(double probability) => (ushort)Math.Round(probability * 65536);

    // 32 random 16-bit numbers: SplitMix64 of eight consecutive counters.
    private static Vector512<ushort> Random(ulong key, ulong block)
    {
        var z = Vector512.Create(key) + ((Vector512.Create(block * 8) + Vector512.Create(0UL, 1, 2, 3, 4, 5, 6, 7)) * Vector512.Create(0x9E3779B97F4A7C15UL));
        z = (z ^ (z >>> 30)) * Vector512.Create(0xBF58476D1CE4E5B9UL);
        z = (z ^ (z >>> 27)) * Vector512.Create(0x94D049BB133111EBUL);
        return (z ^ (z >>> 31)).AsUInt16();
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }
}
