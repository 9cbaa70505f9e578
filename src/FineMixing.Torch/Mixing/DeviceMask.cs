using FineMixing.Mixing;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Mixing;

/// <summary>The random mask of Fine-mixing made on a device: bit for bit the mask of <see cref="RandomMask"/>, from the same counters.</summary>
/// <remarks>Zhang et al. 2022; definition of the mask in <see cref="RandomMask"/>. libtorch has no unsigned 64-bit arithmetic: products wrap alike in two's complement, and shifts are made logical by masking.</remarks>
public static class DeviceMask
{
    private const long ChunkElements = 1 << 24;

    /// <summary>True where the suspect's value is kept, bool [count].</summary>
    /// <param name="seed">Any number.</param>
    /// <param name="name">The tensor's name in the state dict.</param>
    /// <param name="ratio">The reserve ratio, 0 to 1.</param>
    /// <param name="start">The first element, from 0.</param>
    /// <param name="count">How many elements.</param>
    /// <param name="device">Where the mask is made.</param>
    /// <exception cref="ArgumentOutOfRangeException">The ratio is not within 0 to 1.</exception>
    public static Tensor Kept(ulong seed, string name, double ratio, long start, long count, Device device)
    {
        if (!(ratio is >= 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(ratio), ratio, "The reserve ratio is a number from 0 to 1.");
        Native.TorchRuntime.EnsureLoaded();
        var p = RandomMask.ParametersOf(seed, name, ratio);
        if (p.Whole != MaskWhole.Some)
            return full([count], p.Whole == MaskWhole.All, dtype: ScalarType.Bool, device: device);
        using var scope = NewDisposeScope();
        var index = arange(start, start + count, dtype: int64, device: device);
        var word = Finalise(index.div(4, RoundingMode.floor) * unchecked((long)0x9E3779B97F4A7C15) + unchecked((long)p.Key), 30, 0xBF58476D1CE4E5B9, 27, 0x94D049BB133111EB, 31);
        var draw = word.bitwise_right_shift(index.remainder(4) * 16).bitwise_and(tensor(0xFFFFL, device: device));
        var tie = Finalise(index * unchecked((long)0xD1342543DE82EF95) + unchecked((long)p.TieKey), 33, 0xFF51AFD7ED558CCD, 33, 0xC4CEB9FE1A85EC53, 33);
        var below = LogicalShift(tie, 32).lt((long)p.Lower);
        return draw.lt((long)p.Upper).logical_or(draw.eq((long)p.Upper).logical_and(below)).MoveToOuterDisposeScope();
    }

    /// <summary>Mixes two tensors of one shape on their device: suspect values where the mask keeps them, base values elsewhere.</summary>
    /// <param name="suspect">The fine-tuned weights; decides the type of the result.</param>
    /// <param name="base">The pre-trained weights, on the same device; converted once to the suspect's type.</param>
    /// <param name="name">The tensor's name in the state dict.</param>
    /// <param name="ratio">The reserve ratio, 0 to 1.</param>
    /// <param name="seed">Any number.</param>
    /// <exception cref="ArgumentException">Shapes or devices differ.</exception>
    public static Tensor Mix(Tensor suspect, Tensor @base, string name, double ratio, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(suspect);
        ArgumentNullException.ThrowIfNull(@base);
        if (!suspect.shape.AsSpan().SequenceEqual(@base.shape) || suspect.device.ToString() != @base.device.ToString())
            throw new ArgumentException($"'{name}': the suspect is [{string.Join(", ", suspect.shape)}] on {suspect.device}, the base [{string.Join(", ", @base.shape)}] on {@base.device}; they must agree.", nameof(@base));
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        var (kept, other) = (suspect.reshape(-1), @base.to(suspect.dtype).reshape(-1));
        var mixed = empty_like(kept);
        for (long at = 0; at < kept.NumberOfElements; at += ChunkElements)
        {
            var count = Math.Min(ChunkElements, kept.NumberOfElements - at);
            using var chunk = NewDisposeScope();
            mixed.narrow(0, at, count).copy_(where(Kept(seed, name, ratio, at, count, suspect.device), kept.narrow(0, at, count), other.narrow(0, at, count)));
        }

        return mixed.view(suspect.shape).MoveToOuterDisposeScope();
    }

    private static Tensor Finalise(Tensor x, int first, ulong firstFactor, int second, ulong secondFactor, int third)
    {
        x = x.bitwise_xor(LogicalShift(x, first)) * unchecked((long)firstFactor);
        x = x.bitwise_xor(LogicalShift(x, second)) * unchecked((long)secondFactor);
        return x.bitwise_xor(LogicalShift(x, third));
    }

    private static Tensor LogicalShift(Tensor x, int bits) =>
        x.bitwise_right_shift(tensor((long)bits, device: x.device)).bitwise_and(tensor((1L << (64 - bits)) - 1, device: x.device));
}
